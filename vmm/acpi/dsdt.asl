/* SPDX-License-Identifier: MIT
 * The devices of the virtual PC that software cannot discover by itself, and how to power off. Compiled by iasl. */
DefinitionBlock ("", "DSDT", 2, "BULKHD", "BULKHEAD", 1)
{
    /* SLP_TYP 0 is "soft off": vmm/include/devices/acpi_pm.h says the same. */
    Name (\_S5, Package () { 0, 0, 0, 0 })

    /* The operating system tells by _PIC whether it uses the 8259 pair (0) or the I/O APIC (1). */
    Name (\PICM, 0)
    Method (\_PIC, 1) { \PICM = Arg0 }

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xff, 0, 0x100)
                IO (Decode16, 0xcf8, 0xcf8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0xcf7, 0, 0xcf8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0xd00, 0xffff, 0, 0xf300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                    0, 0xa0000, 0xbffff, 0, 0x20000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xc0000000, 0xdfffffff, 0, 0x20000000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xf0000000, 0xfebfffff, 0, 0x0ec00000)
            })

            /* Interrupt pin p of slot s is GSI 16 + (s + p) mod 8, which the router connects as input (s + p) mod 4. */
            Method (_PRT, 0)
            {
                If (\PICM) { Return (APIC) }
                Return (LEGA)
            }

            Name (APIC, Package ()
            {
                Package () { 0x0001ffff, 0, 0, 17 },
                Package () { 0x0001ffff, 1, 0, 18 },
                Package () { 0x0001ffff, 2, 0, 19 },
                Package () { 0x0001ffff, 3, 0, 20 },
                Package () { 0x0002ffff, 0, 0, 18 },
                Package () { 0x0002ffff, 1, 0, 19 },
                Package () { 0x0002ffff, 2, 0, 20 },
                Package () { 0x0002ffff, 3, 0, 21 },
                Package () { 0x0003ffff, 0, 0, 19 },
                Package () { 0x0003ffff, 1, 0, 20 },
                Package () { 0x0003ffff, 2, 0, 21 },
                Package () { 0x0003ffff, 3, 0, 22 },
                Package () { 0x0004ffff, 0, 0, 20 },
                Package () { 0x0004ffff, 1, 0, 21 },
                Package () { 0x0004ffff, 2, 0, 22 },
                Package () { 0x0004ffff, 3, 0, 23 },
                Package () { 0x0005ffff, 0, 0, 21 },
                Package () { 0x0005ffff, 1, 0, 22 },
                Package () { 0x0005ffff, 2, 0, 23 },
                Package () { 0x0005ffff, 3, 0, 16 },
                Package () { 0x0006ffff, 0, 0, 22 },
                Package () { 0x0006ffff, 1, 0, 23 },
                Package () { 0x0006ffff, 2, 0, 16 },
                Package () { 0x0006ffff, 3, 0, 17 },
                Package () { 0x0007ffff, 0, 0, 23 },
                Package () { 0x0007ffff, 1, 0, 16 },
                Package () { 0x0007ffff, 2, 0, 17 },
                Package () { 0x0007ffff, 3, 0, 18 },
                Package () { 0x0008ffff, 0, 0, 16 },
                Package () { 0x0008ffff, 1, 0, 17 },
                Package () { 0x0008ffff, 2, 0, 18 },
                Package () { 0x0008ffff, 3, 0, 19 },
                Package () { 0x0009ffff, 0, 0, 17 },
                Package () { 0x0009ffff, 1, 0, 18 },
                Package () { 0x0009ffff, 2, 0, 19 },
                Package () { 0x0009ffff, 3, 0, 20 },
                Package () { 0x000affff, 0, 0, 18 },
                Package () { 0x000affff, 1, 0, 19 },
                Package () { 0x000affff, 2, 0, 20 },
                Package () { 0x000affff, 3, 0, 21 },
                Package () { 0x000bffff, 0, 0, 19 },
                Package () { 0x000bffff, 1, 0, 20 },
                Package () { 0x000bffff, 2, 0, 21 },
                Package () { 0x000bffff, 3, 0, 22 },
                Package () { 0x000cffff, 0, 0, 20 },
                Package () { 0x000cffff, 1, 0, 21 },
                Package () { 0x000cffff, 2, 0, 22 },
                Package () { 0x000cffff, 3, 0, 23 },
                Package () { 0x000dffff, 0, 0, 21 },
                Package () { 0x000dffff, 1, 0, 22 },
                Package () { 0x000dffff, 2, 0, 23 },
                Package () { 0x000dffff, 3, 0, 16 },
                Package () { 0x000effff, 0, 0, 22 },
                Package () { 0x000effff, 1, 0, 23 },
                Package () { 0x000effff, 2, 0, 16 },
                Package () { 0x000effff, 3, 0, 17 },
                Package () { 0x000fffff, 0, 0, 23 },
                Package () { 0x000fffff, 1, 0, 16 },
                Package () { 0x000fffff, 2, 0, 17 },
                Package () { 0x000fffff, 3, 0, 18 },
                Package () { 0x0010ffff, 0, 0, 16 },
                Package () { 0x0010ffff, 1, 0, 17 },
                Package () { 0x0010ffff, 2, 0, 18 },
                Package () { 0x0010ffff, 3, 0, 19 },
                Package () { 0x0011ffff, 0, 0, 17 },
                Package () { 0x0011ffff, 1, 0, 18 },
                Package () { 0x0011ffff, 2, 0, 19 },
                Package () { 0x0011ffff, 3, 0, 20 },
                Package () { 0x0012ffff, 0, 0, 18 },
                Package () { 0x0012ffff, 1, 0, 19 },
                Package () { 0x0012ffff, 2, 0, 20 },
                Package () { 0x0012ffff, 3, 0, 21 },
                Package () { 0x0013ffff, 0, 0, 19 },
                Package () { 0x0013ffff, 1, 0, 20 },
                Package () { 0x0013ffff, 2, 0, 21 },
                Package () { 0x0013ffff, 3, 0, 22 },
                Package () { 0x0014ffff, 0, 0, 20 },
                Package () { 0x0014ffff, 1, 0, 21 },
                Package () { 0x0014ffff, 2, 0, 22 },
                Package () { 0x0014ffff, 3, 0, 23 },
                Package () { 0x0015ffff, 0, 0, 21 },
                Package () { 0x0015ffff, 1, 0, 22 },
                Package () { 0x0015ffff, 2, 0, 23 },
                Package () { 0x0015ffff, 3, 0, 16 },
                Package () { 0x0016ffff, 0, 0, 22 },
                Package () { 0x0016ffff, 1, 0, 23 },
                Package () { 0x0016ffff, 2, 0, 16 },
                Package () { 0x0016ffff, 3, 0, 17 },
                Package () { 0x0017ffff, 0, 0, 23 },
                Package () { 0x0017ffff, 1, 0, 16 },
                Package () { 0x0017ffff, 2, 0, 17 },
                Package () { 0x0017ffff, 3, 0, 18 },
                Package () { 0x0018ffff, 0, 0, 16 },
                Package () { 0x0018ffff, 1, 0, 17 },
                Package () { 0x0018ffff, 2, 0, 18 },
                Package () { 0x0018ffff, 3, 0, 19 },
                Package () { 0x0019ffff, 0, 0, 17 },
                Package () { 0x0019ffff, 1, 0, 18 },
                Package () { 0x0019ffff, 2, 0, 19 },
                Package () { 0x0019ffff, 3, 0, 20 },
                Package () { 0x001affff, 0, 0, 18 },
                Package () { 0x001affff, 1, 0, 19 },
                Package () { 0x001affff, 2, 0, 20 },
                Package () { 0x001affff, 3, 0, 21 },
                Package () { 0x001bffff, 0, 0, 19 },
                Package () { 0x001bffff, 1, 0, 20 },
                Package () { 0x001bffff, 2, 0, 21 },
                Package () { 0x001bffff, 3, 0, 22 },
                Package () { 0x001cffff, 0, 0, 20 },
                Package () { 0x001cffff, 1, 0, 21 },
                Package () { 0x001cffff, 2, 0, 22 },
                Package () { 0x001cffff, 3, 0, 23 },
                Package () { 0x001dffff, 0, 0, 21 },
                Package () { 0x001dffff, 1, 0, 22 },
                Package () { 0x001dffff, 2, 0, 23 },
                Package () { 0x001dffff, 3, 0, 16 },
                Package () { 0x001effff, 0, 0, 22 },
                Package () { 0x001effff, 1, 0, 23 },
                Package () { 0x001effff, 2, 0, 16 },
                Package () { 0x001effff, 3, 0, 17 },
                Package () { 0x001fffff, 0, 0, 23 },
                Package () { 0x001fffff, 1, 0, 16 },
                Package () { 0x001fffff, 2, 0, 17 },
                Package () { 0x001fffff, 3, 0, 18 },
            })

            Name (LEGA, Package ()
            {
                Package () { 0x0001ffff, 0, LNKB, 0 },
                Package () { 0x0001ffff, 1, LNKC, 0 },
                Package () { 0x0001ffff, 2, LNKD, 0 },
                Package () { 0x0001ffff, 3, LNKA, 0 },
                Package () { 0x0002ffff, 0, LNKC, 0 },
                Package () { 0x0002ffff, 1, LNKD, 0 },
                Package () { 0x0002ffff, 2, LNKA, 0 },
                Package () { 0x0002ffff, 3, LNKB, 0 },
                Package () { 0x0003ffff, 0, LNKD, 0 },
                Package () { 0x0003ffff, 1, LNKA, 0 },
                Package () { 0x0003ffff, 2, LNKB, 0 },
                Package () { 0x0003ffff, 3, LNKC, 0 },
                Package () { 0x0004ffff, 0, LNKA, 0 },
                Package () { 0x0004ffff, 1, LNKB, 0 },
                Package () { 0x0004ffff, 2, LNKC, 0 },
                Package () { 0x0004ffff, 3, LNKD, 0 },
                Package () { 0x0005ffff, 0, LNKB, 0 },
                Package () { 0x0005ffff, 1, LNKC, 0 },
                Package () { 0x0005ffff, 2, LNKD, 0 },
                Package () { 0x0005ffff, 3, LNKA, 0 },
                Package () { 0x0006ffff, 0, LNKC, 0 },
                Package () { 0x0006ffff, 1, LNKD, 0 },
                Package () { 0x0006ffff, 2, LNKA, 0 },
                Package () { 0x0006ffff, 3, LNKB, 0 },
                Package () { 0x0007ffff, 0, LNKD, 0 },
                Package () { 0x0007ffff, 1, LNKA, 0 },
                Package () { 0x0007ffff, 2, LNKB, 0 },
                Package () { 0x0007ffff, 3, LNKC, 0 },
                Package () { 0x0008ffff, 0, LNKA, 0 },
                Package () { 0x0008ffff, 1, LNKB, 0 },
                Package () { 0x0008ffff, 2, LNKC, 0 },
                Package () { 0x0008ffff, 3, LNKD, 0 },
                Package () { 0x0009ffff, 0, LNKB, 0 },
                Package () { 0x0009ffff, 1, LNKC, 0 },
                Package () { 0x0009ffff, 2, LNKD, 0 },
                Package () { 0x0009ffff, 3, LNKA, 0 },
                Package () { 0x000affff, 0, LNKC, 0 },
                Package () { 0x000affff, 1, LNKD, 0 },
                Package () { 0x000affff, 2, LNKA, 0 },
                Package () { 0x000affff, 3, LNKB, 0 },
                Package () { 0x000bffff, 0, LNKD, 0 },
                Package () { 0x000bffff, 1, LNKA, 0 },
                Package () { 0x000bffff, 2, LNKB, 0 },
                Package () { 0x000bffff, 3, LNKC, 0 },
                Package () { 0x000cffff, 0, LNKA, 0 },
                Package () { 0x000cffff, 1, LNKB, 0 },
                Package () { 0x000cffff, 2, LNKC, 0 },
                Package () { 0x000cffff, 3, LNKD, 0 },
                Package () { 0x000dffff, 0, LNKB, 0 },
                Package () { 0x000dffff, 1, LNKC, 0 },
                Package () { 0x000dffff, 2, LNKD, 0 },
                Package () { 0x000dffff, 3, LNKA, 0 },
                Package () { 0x000effff, 0, LNKC, 0 },
                Package () { 0x000effff, 1, LNKD, 0 },
                Package () { 0x000effff, 2, LNKA, 0 },
                Package () { 0x000effff, 3, LNKB, 0 },
                Package () { 0x000fffff, 0, LNKD, 0 },
                Package () { 0x000fffff, 1, LNKA, 0 },
                Package () { 0x000fffff, 2, LNKB, 0 },
                Package () { 0x000fffff, 3, LNKC, 0 },
                Package () { 0x0010ffff, 0, LNKA, 0 },
                Package () { 0x0010ffff, 1, LNKB, 0 },
                Package () { 0x0010ffff, 2, LNKC, 0 },
                Package () { 0x0010ffff, 3, LNKD, 0 },
                Package () { 0x0011ffff, 0, LNKB, 0 },
                Package () { 0x0011ffff, 1, LNKC, 0 },
                Package () { 0x0011ffff, 2, LNKD, 0 },
                Package () { 0x0011ffff, 3, LNKA, 0 },
                Package () { 0x0012ffff, 0, LNKC, 0 },
                Package () { 0x0012ffff, 1, LNKD, 0 },
                Package () { 0x0012ffff, 2, LNKA, 0 },
                Package () { 0x0012ffff, 3, LNKB, 0 },
                Package () { 0x0013ffff, 0, LNKD, 0 },
                Package () { 0x0013ffff, 1, LNKA, 0 },
                Package () { 0x0013ffff, 2, LNKB, 0 },
                Package () { 0x0013ffff, 3, LNKC, 0 },
                Package () { 0x0014ffff, 0, LNKA, 0 },
                Package () { 0x0014ffff, 1, LNKB, 0 },
                Package () { 0x0014ffff, 2, LNKC, 0 },
                Package () { 0x0014ffff, 3, LNKD, 0 },
                Package () { 0x0015ffff, 0, LNKB, 0 },
                Package () { 0x0015ffff, 1, LNKC, 0 },
                Package () { 0x0015ffff, 2, LNKD, 0 },
                Package () { 0x0015ffff, 3, LNKA, 0 },
                Package () { 0x0016ffff, 0, LNKC, 0 },
                Package () { 0x0016ffff, 1, LNKD, 0 },
                Package () { 0x0016ffff, 2, LNKA, 0 },
                Package () { 0x0016ffff, 3, LNKB, 0 },
                Package () { 0x0017ffff, 0, LNKD, 0 },
                Package () { 0x0017ffff, 1, LNKA, 0 },
                Package () { 0x0017ffff, 2, LNKB, 0 },
                Package () { 0x0017ffff, 3, LNKC, 0 },
                Package () { 0x0018ffff, 0, LNKA, 0 },
                Package () { 0x0018ffff, 1, LNKB, 0 },
                Package () { 0x0018ffff, 2, LNKC, 0 },
                Package () { 0x0018ffff, 3, LNKD, 0 },
                Package () { 0x0019ffff, 0, LNKB, 0 },
                Package () { 0x0019ffff, 1, LNKC, 0 },
                Package () { 0x0019ffff, 2, LNKD, 0 },
                Package () { 0x0019ffff, 3, LNKA, 0 },
                Package () { 0x001affff, 0, LNKC, 0 },
                Package () { 0x001affff, 1, LNKD, 0 },
                Package () { 0x001affff, 2, LNKA, 0 },
                Package () { 0x001affff, 3, LNKB, 0 },
                Package () { 0x001bffff, 0, LNKD, 0 },
                Package () { 0x001bffff, 1, LNKA, 0 },
                Package () { 0x001bffff, 2, LNKB, 0 },
                Package () { 0x001bffff, 3, LNKC, 0 },
                Package () { 0x001cffff, 0, LNKA, 0 },
                Package () { 0x001cffff, 1, LNKB, 0 },
                Package () { 0x001cffff, 2, LNKC, 0 },
                Package () { 0x001cffff, 3, LNKD, 0 },
                Package () { 0x001dffff, 0, LNKB, 0 },
                Package () { 0x001dffff, 1, LNKC, 0 },
                Package () { 0x001dffff, 2, LNKD, 0 },
                Package () { 0x001dffff, 3, LNKA, 0 },
                Package () { 0x001effff, 0, LNKC, 0 },
                Package () { 0x001effff, 1, LNKD, 0 },
                Package () { 0x001effff, 2, LNKA, 0 },
                Package () { 0x001effff, 3, LNKB, 0 },
                Package () { 0x001fffff, 0, LNKD, 0 },
                Package () { 0x001fffff, 1, LNKA, 0 },
                Package () { 0x001fffff, 2, LNKB, 0 },
                Package () { 0x001fffff, 3, LNKC, 0 },
            })

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (ROUT, PCI_Config, 0x60, 4)
                Field (ROUT, ByteAcc, NoLock, Preserve)
                {
                    PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8
                }

                Device (COM1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x3f8, 0x3f8, 0, 8)
                        IRQNoFlags () { 4 }
                    })
                }

                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x70, 0x70, 1, 2)
                        IRQNoFlags () { 8 }
                    })
                }

                Device (KBD)
                {
                    Name (_HID, EisaId ("PNP0303"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x60, 0x60, 1, 1)
                        IO (Decode16, 0x64, 0x64, 1, 1)
                        IRQNoFlags () { 1 }
                    })
                }
            }

            Device (LNKA)
            {
                Name (_HID, EisaId ("PNP0C0F"))
                Name (_UID, 1)
                Name (_PRS, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 } })
                Method (_STA) { If (^^ISA.PRQA & 0x80) { Return (0x09) } Return (0x0b) }
                Method (_DIS) { ^^ISA.PRQA |= 0x80 }
                Method (_CRS, 0, Serialized)
                {
                    Name (CURR, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared, , , INTR) { 0 } })
                    CreateDWordField (CURR, INTR._INT, LINE)
                    If (!(^^ISA.PRQA & 0x80)) { LINE = ^^ISA.PRQA }
                    Return (CURR)
                }
                Method (_SRS, 1)
                {
                    CreateDWordField (Arg0, 5, LINE)
                    ^^ISA.PRQA = LINE
                }
            }

            Device (LNKB)
            {
                Name (_HID, EisaId ("PNP0C0F"))
                Name (_UID, 2)
                Name (_PRS, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 } })
                Method (_STA) { If (^^ISA.PRQB & 0x80) { Return (0x09) } Return (0x0b) }
                Method (_DIS) { ^^ISA.PRQB |= 0x80 }
                Method (_CRS, 0, Serialized)
                {
                    Name (CURR, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared, , , INTR) { 0 } })
                    CreateDWordField (CURR, INTR._INT, LINE)
                    If (!(^^ISA.PRQB & 0x80)) { LINE = ^^ISA.PRQB }
                    Return (CURR)
                }
                Method (_SRS, 1)
                {
                    CreateDWordField (Arg0, 5, LINE)
                    ^^ISA.PRQB = LINE
                }
            }

            Device (LNKC)
            {
                Name (_HID, EisaId ("PNP0C0F"))
                Name (_UID, 3)
                Name (_PRS, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 } })
                Method (_STA) { If (^^ISA.PRQC & 0x80) { Return (0x09) } Return (0x0b) }
                Method (_DIS) { ^^ISA.PRQC |= 0x80 }
                Method (_CRS, 0, Serialized)
                {
                    Name (CURR, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared, , , INTR) { 0 } })
                    CreateDWordField (CURR, INTR._INT, LINE)
                    If (!(^^ISA.PRQC & 0x80)) { LINE = ^^ISA.PRQC }
                    Return (CURR)
                }
                Method (_SRS, 1)
                {
                    CreateDWordField (Arg0, 5, LINE)
                    ^^ISA.PRQC = LINE
                }
            }

            Device (LNKD)
            {
                Name (_HID, EisaId ("PNP0C0F"))
                Name (_UID, 4)
                Name (_PRS, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 } })
                Method (_STA) { If (^^ISA.PRQD & 0x80) { Return (0x09) } Return (0x0b) }
                Method (_DIS) { ^^ISA.PRQD |= 0x80 }
                Method (_CRS, 0, Serialized)
                {
                    Name (CURR, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared, , , INTR) { 0 } })
                    CreateDWordField (CURR, INTR._INT, LINE)
                    If (!(^^ISA.PRQD & 0x80)) { LINE = ^^ISA.PRQD }
                    Return (CURR)
                }
                Method (_SRS, 1)
                {
                    CreateDWordField (Arg0, 5, LINE)
                    ^^ISA.PRQD = LINE
                }
            }
        }

        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate () { Memory32Fixed (ReadOnly, 0xfed00000, 0x400) })
        }

        /* Addresses that belong to the board: the PCI configuration window and the power-management block. */
        Device (MBRD)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xe0000000, 0x10000000)
                IO (Decode16, 0x600, 0x600, 1, 0x10)
                IO (Decode16, 0x620, 0x620, 1, 4)
            })
        }
    }
}
