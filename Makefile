# SPDX-License-Identifier: MIT
# Bulkhead: one Makefile for everything. `make help` lists the targets.
#
# Sources are found by folder, so a new file needs no line here:
#   kernel/ kernel/vmx/ kernel/svm/ boot/ (.c .S), libc-mini/string.c libc-mini/format.c -> build/kernel.elf
#   libc-mini/, vmm/, vmm/devices/, vmm/loaders/                                         -> build/vmm.elf
#   libc-mini/, vmm/manager/                                                             -> build/manager.elf
#   libc-mini/ (without system calls), drivers-dom/, drivers-dom/*/                      -> build/drivers-dom.elf
#   shell/, tools/bulkheadctl.c       (the shell: for drivers-dom, and as a program of Linux guests)  -> build/bulkheadctl
#   tests/unit/test_*.c, tests/unit/drivers-dom/test_*.c, tests/fuzz/fuzz_*.c      (host, sanitizers)                     -> build/host/tests/
#   boot/uefi/, libc-mini/string.c libc-mini/format.c                                    -> build/BOOTX64.EFI
#   tests/guests/*.c *.S on tests/guests/lib      (bare-metal guests)                    -> build/guests/tests/
#   tests/mach/                                   (first task of GNU Mach)               -> build/guests/mach/task
# CFLAGS_<path of the source> adds flags for one file, e.g. CFLAGS_kernel/trap.c := -Os.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
SHELL := /bin/sh

BUILD ?= release
HOST ?= auto
CONFIG ?= configs/default.conf
CPUS ?= 2
MEMORY ?= 1024M
FUZZ_SECONDS ?= 4
BENCH_ROUNDS ?= 5
CC := gcc
HOST_CC := clang
O := build

ifeq ($(filter $(BUILD),release debug),)
$(error BUILD=$(BUILD): allowed are release and debug)
endif

CHECK_CONFIG := $(O)/host/check-config
DEBIAN := $(O)/guests/debian.img
MACH := $(O)/guests/mach

.PHONY: all help launcher-test iso usb run test unit boot-test kill-test fuzz-smoke bench check clean guests test-guests host-lib
all: $(O)/kernel.elf $(O)/vmm.elf $(O)/manager.elf $(O)/drivers-dom.elf $(O)/BOOTX64.EFI $(CHECK_CONFIG)

help:
	@echo 'make                      kernel, monitor and manager: $(O)/kernel.elf vmm.elf manager.elf'
	@echo 'make run                  boot CONFIG ($(CONFIG)) in an emulator, interactively; Ctrl-A x quits'
	@echo '       HOST=auto|kvm|qemu-svm|bochs-vmx|bochs-svm  CPUS=$(CPUS)  MEMORY=$(MEMORY)  CONFIG=FILE'
	@echo 'make iso                  $(O)/bulkhead.iso from CONFIG (BIOS and UEFI, CD or USB stick)'
	@echo 'make usb                  $(O)/bulkhead-usb.img from CONFIG: a GPT disk for a USB stick, GRUB on BIOS, our own loader on UEFI'
	@echo 'make test                 unit tests, fuzz smoke and boot tests; the last line is the total'
	@echo 'make unit | fuzz-smoke | launcher-test | boot-test     one part of it; TESTS="NAME..." selects boot tests'
	@echo 'make kill-test            1,000 kills of drivers-dom at 1,000 moments'
	@echo 'make bench                instruction counts per exit, boot times, memory'
	@echo 'make check                clang-tidy and cppcheck'
	@echo 'make guests | test-guests Debian Linux + initramfs, a disk with Debian, memtest86+ | the bare-metal test guests'
	@echo 'make clean                remove $(O)/'
	@echo 'Everywhere: BUILD=release|debug, V=1 shows commands, -j as you like.'

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

# --- packages: one stamp per group, checked once ---
$(O)/setup/%.stamp: tools/setup
	$(Q)tools/setup $*
	@mkdir -p $(@D) && touch $@
SETUP_BUILD := $(O)/setup/build.stamp
SETUP_RUN := $(O)/setup/run.stamp
SETUP_TEST := $(O)/setup/test.stamp

# --- flags ---
# Asked of the compiler on first use only: before `setup` there may be no compiler.
GCC_INCLUDE = $(eval GCC_INCLUDE := $$(shell $(CC) -print-file-name=include))$(GCC_INCLUDE)
LIBGCC = $(eval LIBGCC := $$(shell $(CC) -print-libgcc-file-name))$(LIBGCC)

OPT_release := -O2
OPT_debug := -Og -DDEBUG
# An operation behind a table need not use every parameter.
WARN := -Wall -Wextra -Wno-unused-parameter -Werror
COMMON = -std=gnu11 $(OPT_$(BUILD)) -g $(WARN) -ffreestanding -fno-pic -mgeneral-regs-only -fno-strict-aliasing \
    -fstack-protector-strong -mstack-protector-guard=global -fno-asynchronous-unwind-tables -fcf-protection=none \
    -fmacro-prefix-map=$(CURDIR)/= -nostdinc -isystem $(GCC_INCLUDE) -I$(O)/include
KERNEL_FLAGS = $(COMMON) -mcmodel=kernel -mno-red-zone -Ikernel/include -Ikernel -Ilibc-mini/include
USER_FLAGS = $(COMMON) -Ilibc-mini/include -Ikernel/include -Ivmm/include -Ivmm -Idrivers-dom/include \
    -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
DRIVERS_FLAGS = $(COMMON) -Idrivers-dom/include -Ishell/include -Iparavirtual/include -Ilibc-mini/include -Ikernel/include \
    -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
LINUX_FLAGS = -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -Ishell/include -Ishell -Ikernel/include
# The host's own libc headers win over those of libc-mini.
HOST_FLAGS = -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -fno-omit-frame-pointer -fno-strict-aliasing -DHOST_TEST \
    -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -Ikernel/include -Ikernel -Ivmm/include -Ivmm \
    -Idrivers-dom/include -I$(O)/include -idirafter libc-mini/include
HOST_DRIVERS_FLAGS = -Idrivers-dom/include -Ishell/include -Iparavirtual/include $(filter-out -Ivmm/include -Ivmm -Ikernel,$(HOST_FLAGS))
HOST_SHELL_FLAGS = -Ishell/include -Ishell $(filter-out -I% libc-mini/include -idirafter,$(HOST_FLAGS)) -Ikernel/include
# The UEFI loader is position-independent and has the firmware's calling convention where it calls it.
EFI_FLAGS = $(subst -fno-pic,-fpic,$(filter-out -fstack-protector-strong -mstack-protector-guard=global,$(COMMON))) -fshort-wchar \
    -mno-red-zone -DGNU_EFI_USE_MS_ABI -Iboot/uefi -Ilibc-mini/include -isystem /usr/include/efi -isystem /usr/include/efi/x86_64
LINK_FLAGS := -static -nostdlib -z noexecstack -z max-page-size=4096 --build-id=none --fatal-warnings --no-undefined

# A change of flags rebuilds everything: objects depend on a file that changes only when they do.
FLAGS_TEXT = $(BUILD) $(CC) $(HOST_CC) $(WARN) $(OPT_$(BUILD))
$(O)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS_TEXT)' | cmp -s - $@ || echo '$(FLAGS_TEXT)' >$@
FORCE:
BASE := Makefile $(O)/flags

# elf.h is the C library's, but free of it.
CFLAGS_boot/uefi/image.c := -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
CFLAGS_kernel/manager.c := -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu

# --- sources ---
KERNEL_SRC := $(filter-out kernel/offsets.c,$(wildcard boot/*.[cS] kernel/*.[cS] kernel/vmx/*.[cS] kernel/svm/*.[cS])) \
    $(wildcard libc-mini/string.c libc-mini/format.c)
LIBC_SRC := $(wildcard libc-mini/*.[cS])
VMM_SRC := $(wildcard vmm/*.[cS] vmm/devices/*.[cS] vmm/loaders/*.[cS])
MANAGER_SRC := $(wildcard vmm/manager/*.[cS]) vmm/console_ring.c drivers-dom/console_mux.c
DRIVERS_SRC := $(wildcard libc-mini/string.c libc-mini/format.c libc-mini/stdlib.c libc-mini/alloc.c libc-mini/stdio.c libc-mini/stack_guard.S \
    paravirtual/start.S paravirtual/hypercall.S \
    drivers-dom/*.[cS] drivers-dom/*/*.[cS] shell/*.[cS])
EFI_SRC := $(wildcard boot/uefi/*.[cS] libc-mini/string.c libc-mini/format.c)
# For the host: no assembly, nothing that is the program itself rather than a part of it.
HOST_EXCLUDE := vmm/main%.c vmm/thread%.c vmm/manager/main%.c
HOST_MANAGER_SRC := $(wildcard vmm/manager/config*.c) $(patsubst %,vmm/manager/%.c,command request json_write control_server)
HOST_SRC := $(filter-out $(HOST_EXCLUDE),$(wildcard vmm/*.c vmm/devices/*.c vmm/loaders/*.c kernel/pagetable*.c) $(HOST_MANAGER_SRC) \
    boot/uefi/manifest.c boot/uefi/image.c boot/uefi/information.c)
# An archive of its own: drivers-dom and the monitor each have a pci.c, from the two ends.
HOST_DRIVERS_SRC := $(filter-out drivers-dom/main.c drivers-dom/trap.c drivers-dom/log.c,$(wildcard drivers-dom/*.c drivers-dom/*/*.c))
SHELL_SRC := $(wildcard shell/*.c)

object = $(patsubst %,$(O)/$(1)/%.o,$(patsubst %.c,%,$(2)))
KERNEL_OBJ := $(call object,kernel,$(KERNEL_SRC))
VMM_OBJ := $(call object,user,$(LIBC_SRC) $(VMM_SRC))
MANAGER_OBJ := $(call object,user,$(LIBC_SRC) $(MANAGER_SRC))
EFI_OBJ := $(call object,efi,$(EFI_SRC))
DRIVERS_OBJ := $(call object,drivers,$(DRIVERS_SRC))
HOST_OBJ := $(call object,host,$(HOST_SRC))
HOST_DRIVERS_OBJ := $(call object,host-drivers,$(HOST_DRIVERS_SRC))
HOST_SHELL_OBJ := $(call object,host-shell,$(SHELL_SRC))

# --- generated headers ---
GENERATED :=
ifneq ($(wildcard kernel/offsets.c),)
GENERATED += $(O)/include/offsets.h
endif
ifneq ($(wildcard vmm/acpi/dsdt.asl),)
GENERATED += $(O)/include/dsdt.h
endif

# The glyphs of the kernel's screen.
GENERATED += $(O)/include/font.h
$(O)/include/font.h: tools/font-header Makefile | $(SETUP_BUILD)
	$(say) FONT $@
	@mkdir -p $(@D)
	$(Q)tools/font-header /usr/share/grub/ascii.pf2 >$@

# kernel/offsets.c emits lines "->NAME VALUE" through asm(); they become #defines for assembly.
$(O)/include/offsets.h: kernel/offsets.c $(BASE) | $(SETUP_BUILD)
	$(say) OFFSETS $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -MT $@ -MF $@.d -S -o $@.s $<
	$(Q)( echo '/* Generated from $<. */'; sed -n 's/^[^-]*->\([A-Za-z_0-9]*\)[ \t]*\$$*\(-*[0-9]*\).*/#define \1 \2/p' $@.s ) >$@

$(O)/include/dsdt.h: vmm/acpi/dsdt.asl Makefile | $(SETUP_BUILD)
	$(say) IASL $@
	@mkdir -p $(@D)
	$(Q)iasl -p $(O)/include/dsdt -tc $< >$(O)/include/dsdt.log 2>&1 || { cat $(O)/include/dsdt.log >&2; exit 1; }
	$(Q)( echo '/* Generated from $<. */'; sed -n '/^unsigned char .*_code/,/^};/p' $(O)/include/dsdt.hex | sed 's/^unsigned char/static const unsigned char/' ) >$@

# --- compile ---
# $(1) folder of objects, $(2) variable with the flags, $(3) compiler
define compile_rules
$(O)/$(1)/%.o: %.c $(BASE) | $(SETUP_$(4)) $(GENERATED)
	$$(say) CC $$@
	@mkdir -p $$(@D)
	$(Q)$(3) $$($(2)) $$(CFLAGS_$$<) -MMD -MP -c -o $$@ $$<
$(O)/$(1)/%.S.o: %.S $(BASE) | $(SETUP_$(4)) $(GENERATED)
	$$(say) AS $$@
	@mkdir -p $$(@D)
	$(Q)$(3) $$($(2)) -D__ASSEMBLY__ $$(CFLAGS_$$<) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call compile_rules,kernel,KERNEL_FLAGS,$(CC),BUILD))
$(eval $(call compile_rules,user,USER_FLAGS,$(CC),BUILD))
$(eval $(call compile_rules,drivers,DRIVERS_FLAGS,$(CC),BUILD))
$(eval $(call compile_rules,efi,EFI_FLAGS,$(CC),BUILD))
$(eval $(call compile_rules,host,HOST_FLAGS,$(HOST_CC),TEST))
$(eval $(call compile_rules,host-drivers,HOST_DRIVERS_FLAGS,$(HOST_CC),TEST))
$(eval $(call compile_rules,host-shell,HOST_SHELL_FLAGS,$(HOST_CC),TEST))
$(eval $(call compile_rules,linux,LINUX_FLAGS,$(CC),BUILD))

# --- link; every image must pass tools/check-elf ---
$(O)/kernel.elf: $(KERNEL_OBJ) linker.ld tools/check-elf
	$(say) LD $@
	$(Q)ld $(LINK_FLAGS) -T linker.ld -Map $(O)/kernel.map -o $@ $(KERNEL_OBJ)
	$(Q)tools/check-elf --kernel $@

define link_user
	$(say) LD $@
	$(Q)ld $(LINK_FLAGS) -z separate-code -z norelro -T libc-mini/ring3.ld -Map $(basename $@).map -o $@ $(filter %.o,$^) $(LIBGCC)
	$(Q)tools/check-elf $@
endef
$(O)/vmm.elf: $(VMM_OBJ) libc-mini/ring3.ld tools/check-elf
	$(link_user)
$(O)/manager.elf: $(MANAGER_OBJ) libc-mini/ring3.ld tools/check-elf
	$(link_user)
$(O)/drivers-dom.elf: $(DRIVERS_OBJ) paravirtual/paravirtual.ld tools/check-elf
	$(say) LD $@
	$(Q)ld $(LINK_FLAGS) -z separate-code -z norelro -T paravirtual/paravirtual.ld -Map $(O)/drivers-dom.map -o $@ $(DRIVERS_OBJ) $(LIBGCC)
	$(Q)tools/check-elf $@

# --- examples: paravirtual guests ---
PV_SRC := $(wildcard libc-mini/string.c libc-mini/format.c libc-mini/stdlib.c libc-mini/alloc.c libc-mini/stdio.c libc-mini/stack_guard.S paravirtual/*.[cS])
EXAMPLES := $(patsubst examples/%.c,$(O)/examples/%.elf,$(wildcard examples/*.c))
$(O)/examples/%.elf: $(O)/drivers/examples/%.o $(call object,drivers,$(PV_SRC)) paravirtual/paravirtual.ld tools/check-elf
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)ld $(LINK_FLAGS) -z separate-code -z norelro -T paravirtual/paravirtual.ld -o $@ $(filter %.o,$^) $(LIBGCC)
	$(Q)tools/check-elf $@

# --- the manager's reader of configurations for this machine: tools/bulkhead check ---
CHECK_SRC := tools/check-config.c $(wildcard vmm/manager/config*.c)
$(CHECK_CONFIG): $(CHECK_SRC) $(wildcard vmm/manager/config*.h) vmm/include/start.h $(BASE) | $(SETUP_BUILD)
	$(say) HOSTCC $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g $(WARN) -Idrivers-dom/include -Ikernel/include -Ivmm/include -Ivmm/manager -Wno-format-truncation -idirafter libc-mini/include -o $@.part $(CHECK_SRC) && mv $@.part $@

# A program for Linux guests: static, so that it runs in any of them.
$(O)/bulkheadctl: $(call object,linux,$(SHELL_SRC) tools/bulkheadctl.c)
	$(say) LD $@
	$(Q)$(CC) -static -o $@ $^
# A shared object becomes an EFI program: the packaged start-up code relocates it.
EFI_SECTIONS := .text .sdata .data .dynamic .rodata .rel .rela .rel.* .rela.* .reloc
$(O)/BOOTX64.EFI: $(EFI_OBJ)
	$(say) LD $@
	$(Q)ld -nostdlib -znocombreloc -z noexecstack -shared -Bsymbolic --no-undefined --no-warn-rwx-segments -T /usr/lib/elf_x86_64_efi.lds \
	    -o $(O)/loader.so /usr/lib/crt0-efi-x86_64.o $(EFI_OBJ) /usr/lib/libgnuefi.a
	$(Q)objcopy $(addprefix -j ,$(EFI_SECTIONS)) --target efi-app-x86_64 --subsystem=10 $(O)/loader.so $@

# The hostile one of the boot tests: the same frame, another main program.
HOSTILE_DRIVERS_OBJ := $(filter-out %/drivers-dom/main.o,$(DRIVERS_OBJ)) $(O)/drivers/tests/drivers-dom/hostile.o
$(O)/hostile-drivers-dom.elf: $(HOSTILE_DRIVERS_OBJ) paravirtual/paravirtual.ld tools/check-elf
	$(say) LD $@
	$(Q)ld $(LINK_FLAGS) -z separate-code -z norelro -T paravirtual/paravirtual.ld -o $@ $(HOSTILE_DRIVERS_OBJ) $(LIBGCC)
	$(Q)tools/check-elf $@

# --- host tests ---
UNIT := $(patsubst tests/unit/%.c,$(O)/host/tests/%,$(wildcard tests/unit/test_*.c))
UNIT_DRIVERS := $(patsubst tests/unit/drivers-dom/%.c,$(O)/host-drivers/tests/%,$(wildcard tests/unit/drivers-dom/test_*.c))
UNIT += $(UNIT_DRIVERS)
UNIT += $(patsubst tests/unit/shell/%.c,$(O)/host-shell/tests/%,$(wildcard tests/unit/shell/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(O)/host/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ += $(patsubst tests/fuzz/drivers-dom/%.c,$(O)/host-drivers/tests/%,$(wildcard tests/fuzz/drivers-dom/fuzz_*.c))
FUZZ += $(patsubst tests/fuzz/shell/%.c,$(O)/host-shell/tests/%,$(wildcard tests/fuzz/shell/fuzz_*.c))
# What several tests share: tests/unit/*.c that is not a test itself.
UNIT_SUPPORT := $(call object,host,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
CFLAGS_TEST = -Itests/unit -Ivmm/manager -I.

host-lib: $(O)/host/libhost.a
$(O)/host/libhost.a: $(HOST_OBJ)
	$(say) AR $@
	@rm -f $@
	$(Q)ar rcs $@ $(HOST_OBJ)
$(O)/host/tests/unit/%.o $(O)/host/tests/fuzz/%.o: HOST_FLAGS += $(CFLAGS_TEST)
$(O)/host/tests/test_%: $(O)/host/tests/unit/test_%.o $(UNIT_SUPPORT) $(O)/host/libhost.a
	$(say) LINK $@
	$(Q)$(HOST_CC) -fsanitize=address,undefined -o $@ $(filter %.o,$^) $(O)/host/libhost.a -lcmocka -lm
$(O)/host-drivers/libhost.a: $(HOST_DRIVERS_OBJ)
	$(say) AR $@
	@rm -f $@
	$(Q)ar rcs $@ $(HOST_DRIVERS_OBJ)
$(O)/host-drivers/tests/unit/drivers-dom/%.o $(O)/host-drivers/tests/fuzz/drivers-dom/%.o: HOST_DRIVERS_FLAGS += -Itests/unit/drivers-dom -I.
$(O)/host-drivers/tests/test_%: $(O)/host-drivers/tests/unit/drivers-dom/test_%.o $(O)/host-drivers/libhost.a
	$(say) LINK $@
	$(Q)$(HOST_CC) -fsanitize=address,undefined -o $@ $(filter %.o,$^) $(O)/host-drivers/libhost.a -lcmocka
$(O)/host-drivers/tests/fuzz_%: $(O)/host-drivers/tests/fuzz/drivers-dom/fuzz_%.o $(O)/host-drivers/libhost.a
	$(say) LINK $@
	$(Q)$(HOST_CC) -fsanitize=address,undefined,fuzzer -o $@ $< $(O)/host-drivers/libhost.a -lcmocka
$(O)/host/tests/fuzz_%: $(O)/host/tests/fuzz/fuzz_%.o $(O)/host/libhost.a
	$(say) LINK $@
	$(Q)$(HOST_CC) -fsanitize=address,undefined,fuzzer -o $@ $< $(O)/host/libhost.a
$(O)/host-shell/libhost.a: $(HOST_SHELL_OBJ)
	$(say) AR $@
	@rm -f $@
	$(Q)ar rcs $@ $(HOST_SHELL_OBJ)
$(O)/host-shell/tests/unit/shell/%.o $(O)/host-shell/tests/fuzz/shell/%.o: HOST_SHELL_FLAGS += -Itests/unit/shell
$(O)/host-shell/tests/test_%: $(O)/host-shell/tests/unit/shell/test_%.o $(O)/host-shell/libhost.a
	$(say) LINK $@
	$(Q)$(HOST_CC) -fsanitize=address,undefined -o $@ $< $(O)/host-shell/libhost.a -lcmocka
$(O)/host-shell/tests/fuzz_%: $(O)/host-shell/tests/fuzz/shell/fuzz_%.o $(O)/host-shell/libhost.a
	$(say) LINK $@
	$(Q)$(HOST_CC) -fsanitize=address,undefined,fuzzer -o $@ $< $(O)/host-shell/libhost.a

unit: $(UNIT)
	$(Q)tests/run --build $(O) --unit $(UNIT)
fuzz-smoke: $(FUZZ)
	$(Q)tests/run --build $(O) --fuzz-seconds $(FUZZ_SECONDS) --fuzz $(FUZZ)
# Longer than it may be in every `make test`: 1,000 kills of drivers-dom.
kill-test: all guests test-guests
	$(Q)tests/run --build $(O) --boot --only sweep
boot-test: all guests $(DEBIAN) $(MACH)/task test-guests
	$(Q)tests/run --build $(O) --boot --only $(TESTS)
test: all guests $(DEBIAN) $(MACH)/task test-guests $(UNIT) $(FUZZ)
	$(Q)tests/run --build $(O) --unit $(UNIT) --fuzz-seconds $(FUZZ_SECONDS) --fuzz $(FUZZ) --launcher --boot
launcher-test: all guests test-guests
	$(Q)tests/run --build $(O) --launcher

# --- guests ---
LINUX := $(O)/guests/linux
MEMTEST := $(O)/guests/memtest/memtest86+x64.bin
DISK := $(O)/disk.img
guests: $(LINUX)/initrd $(MEMTEST) $(DISK) $(EXAMPLES)
# Not one of `guests`: it takes a minute, and only configs/debian.conf and the boot tests need it.
$(DEBIAN): tools/guest-debian | $(SETUP_RUN)
	$(say) GUEST $@
	$(Q)tools/guest-debian $@
# An empty file system for configs/disk-net.conf. What a guest has written stays. 130 cylinders: Bochs wants whole ones.
$(DISK): | $(SETUP_RUN)
	$(say) MKFS $@
	@mkdir -p $(@D)
	$(Q)rm -f $@.part && truncate -s $$((130 * 516096)) $@.part
	$(Q)PATH=/usr/sbin:/sbin:$$PATH mkfs.ext4 -q -F $@.part && mv $@.part $@
$(LINUX)/initrd: tools/guest-linux $(O)/bulkheadctl | $(SETUP_RUN)
	$(say) GUEST $(LINUX)
	$(Q)tools/guest-linux $(LINUX) $(O)/bulkheadctl
$(MEMTEST): | $(SETUP_RUN)
	@mkdir -p $(@D)
	$(Q)cp /boot/memtest86+x64.bin $@

# --- test guests: 64-bit code in an ELF file of the class its boot protocol wants ---
GUEST_FLAGS = -std=gnu11 -O2 -g $(WARN) -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing \
    -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -nostdinc -isystem $(GCC_INCLUDE) -Itests/guests/lib -Itests/guests \
    -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
CFLAGS_tests/guests/datapath.c := -Ikernel/include
GUEST_LIB := $(O)/guest/lib.a
$(GUEST_LIB): $(call object,guest,$(filter-out %/entry_mb1.S %/entry_mb2.S %/entry_pvh.S,$(wildcard tests/guests/lib/*.[cS])))
	$(say) AR $@
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)
GUEST_NAMES := $(patsubst tests/guests/%.c,%,$(wildcard tests/guests/*.c))
TEST_GUESTS := $(patsubst %,$(O)/guests/tests/%.elf,$(GUEST_NAMES) hello-mb2 hello-pvh)
test-guests: $(TEST_GUESTS) $(O)/hostile-drivers-dom.elf
$(eval $(call compile_rules,guest,GUEST_FLAGS,$(CC),BUILD))
define link_guest
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)ld -static -nostdlib -z noexecstack -z max-page-size=4096 --build-id=none --no-warn-rwx-segments -T tests/guests/guest.ld -o $@.64 $(filter %.o %.a,$^)
endef
$(O)/guests/tests/%.elf: $(O)/guest/tests/guests/lib/entry_mb1.S.o $(O)/guest/tests/guests/%.o $(GUEST_LIB) tests/guests/guest.ld
	$(link_guest)
	$(Q)objcopy -S -O elf32-i386 $@.64 $@
$(O)/guests/tests/%-mb2.elf: $(O)/guest/tests/guests/lib/entry_mb2.S.o $(O)/guest/tests/guests/%.o $(GUEST_LIB) tests/guests/guest.ld
	$(link_guest)
	$(Q)mv $@.64 $@
$(O)/guests/tests/%-pvh.elf: $(O)/guest/tests/guests/lib/entry_pvh.S.o $(O)/guest/tests/guests/%.o $(GUEST_LIB) tests/guests/guest.ld
	$(link_guest)
	$(Q)mv $@.64 $@

# --- the first task of GNU Mach: a 32-bit program, with the kernel's own headers. Only for the boot tests ---
MACH_FLAGS = -m32 -std=gnu11 -O2 -g $(WARN) -ffreestanding -fno-pic -fno-strict-aliasing -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fcf-protection=none -nostdinc -isystem $(GCC_INCLUDE) -isystem $(MACH)/include
MACH_OBJ := $(call object,mach,$(wildcard tests/mach/*.[cS]))
$(MACH)/gnumach.gz: tools/guest-mach
	$(say) GUEST $@
	$(Q)tools/guest-mach $(MACH)
$(eval $(call compile_rules,mach,MACH_FLAGS,$(CC),BUILD))
$(MACH_OBJ): | $(MACH)/gnumach.gz
$(MACH)/task: $(MACH_OBJ) tests/mach/task.ld $(MACH)/gnumach.gz
	$(say) LD $@
	$(Q)ld -m elf_i386 -static -nostdlib -z noexecstack --build-id=none --no-undefined -T tests/mach/task.ld -o $@ $(MACH_OBJ)

# --- boot ---
iso: all guests | $(SETUP_RUN)
	$(Q)tools/bulkhead image --config $(CONFIG) --out $(O)/bulkhead.iso
usb: all guests | $(SETUP_RUN)
	$(Q)tools/bulkhead image --usb --config $(CONFIG) --out $(O)/bulkhead-usb.img
run: all guests $(if $(findstring debian.conf,$(CONFIG)),$(DEBIAN)) | $(SETUP_RUN)
	$(Q)tools/bulkhead run --config $(CONFIG) --host $(HOST) --cpus $(CPUS) --memory $(MEMORY)

bench: all guests test-guests | $(SETUP_RUN)
	$(Q)tests/bench/bench --build $(O) --rounds $(BENCH_ROUNDS)

check: all | $(O)/setup/check.stamp
	$(Q)tools/check $(O)

clean:
	rm -rf $(O)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
