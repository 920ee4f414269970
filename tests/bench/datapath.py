# SPDX-License-Identifier: MIT
"""The data path's figures: what a request and a packet cost, and how fast a disk is, beside the same on the bare emulator."""

import os
import re
import statistics

# Name, what is counted, N of the two runs whose difference it is, packets or requests for each of N, targets for exits of the guest.
CASES = (
    ('disk1', '4 KiB read, depth 1', (500, 2500), 1, 2.0),
    ('disk32', '4 KiB read, depth 32', (960, 4800), 1, 0.2),
    ('net1', '1,500-byte packet, 1 at a time', (200, 1000), 2, 2.0),
    ('net32', '1,500-byte packet, 32 at a time', (320, 1600), 2, 0.2),
)
COUNTERS = r'^domain %s: .* ticks (\d+), of these in the monitor (\d+)'
IMAGE_MIB = 2048
# What, size of a block, number of them, target, KVM, Xen's blkback (design targets: ratios to the same bare device).
SPEEDS = (('4 KiB, depth 1', 4096, 12000, 0.4, 0.16, 0.09), ('1 MiB', 1 << 20, IMAGE_MIB, 0.7, 0.21, 0.04))


def domain(name, cmdline, more):
    return ('[domain %s]\nkernel = tests/datapath.elf\nmemory = 32M\nvcpus = 1\ndebug-exit = yes\ntrace = yes\ncmdline = %s\n%s\n' %
            (name, cmdline, more))


def count(bench, name, number, host, options):
    """One run: the guest's line as a dictionary, ticks (all, in the monitor) by domain, as far as printed. None: it failed."""
    text = domain('one', '%s=%d' % (name, number), 'net = lan' if name.startswith('net') else 'disk = data,./data.img')
    domains = ['one', 'drivers-dom']
    if name.startswith('net'):
        text += domain('two', 'echo', 'net = lan')
        domains.append('two')
    bench.image('data.img', 8 * 516096)
    output = bench.launch(text, host, *options).text()
    line = re.search(r'^(?:\[\w+\] )?datapath %s (.*)$' % name, output, re.M)
    ticks = {who: re.findall(COUNTERS % who, output, re.M) for who in domains}
    if not line:
        return None
    words = line.group(1).split()
    figures = {key: int(value) for key, value in zip(words[::2], words[1::2])}
    # drivers-dom's counters are printed whenever a domain ends: the first ones are nearest to the work.
    return figures, {who: [int(value) for value in values[0]] for who, values in ticks.items() if values}


def instructions(bench, say):
    say('%-34s %7s %7s %8s %8s %8s %12s %8s' %
        ('QEMU SVM, instructions each', 'exits', 'target', 'guest', 'kernel', 'monitor', 'drivers-dom', 'all'))
    good = True
    for name, what, numbers, each, target in CASES:
        # Disks on one CPU. Two guests wait for each other, one works at a time: two CPUs do no harm.
        runs = [count(bench, name, number, 'qemu-svm', ['--icount', '--cpus', '2' if each == 2 else '1']) for number in numbers]
        if None in runs or len(runs[0][1]) < each + 1 or len(runs[1][1]) < each + 1:
            say('%-34s the run failed; see the logs in %s/logs' % (what, bench.build))
            good = False
            continue
        (few, few_ticks), (many, many_ticks) = runs
        total = each * (numbers[1] - numbers[0])
        spent = {who: [b - a for a, b in zip(few_ticks[who], many_ticks[who])] for who in few_ticks}
        guests = [spent[who] for who in spent if who != 'drivers-dom']
        own = (many['own'] - few['own']) * len(guests)  # the neighbour does the same
        run, monitor = (sum(values) for values in zip(*guests))
        columns = [value / total for value in (own, run - monitor - own, monitor, spent['drivers-dom'][0])]
        exits = many['exits'] / many['requests']
        say('%-34s %7.2f %7.1f %8.0f %8.0f %8.0f %12.0f %8.0f' % ((what, exits, target) + tuple(columns) + (sum(columns),)))
    return good


def exits(bench, say):
    say('%-34s %9s %7s %10s %11s %11s' % ('exits of a guest', 'all', 'target', 'doorbells', 'interrupts', 'to monitor'))
    good = True
    for host in ('qemu-svm', 'bochs-vmx'):
        for name, what, numbers, _, target in CASES:
            run = count(bench, name, numbers[0] if host == 'qemu-svm' else numbers[0] // 3 // 32 * 32, host, ['--cpus', '2'])
            if run is None:
                say('%-34s %s: the run failed; see the logs in %s/logs' % (what, host, bench.build))
                good = False
                continue
            line = run[0]
            n = line['requests']
            to_monitor = line['exits'] - line['kernel']
            say('%-34s %9.3f %7.1f %10.3f %11.3f %11.3f  %s' % (what, line['exits'] / n, target, line['kicks'] / n,
                                                                line['interrupts'] / n, to_monitor / n, host))
    return good


def speeds(text):
    """In MB/s, from what the shell's `time` prints."""
    seconds = [60 * int(m) + float(s) for m, s in re.findall(r'^(?:\[\w+\] )?real\s+(\d+)m ([\d.]+)s', text, re.M)]
    return [size * number / max(took, 0.01) / 1e6 for (_, size, number, *_), took in zip(SPEEDS, seconds)]


def throughput(bench, say):
    image = bench.image('speed.img', IMAGE_MIB << 20)
    commands = '; '.join('time dd if=/dev/vda of=/dev/null iflag=direct bs=%d count=%d' % speed[1:3] for speed in SPEEDS)
    bare = ['qemu-system-x86_64', '-M', 'pc', '-cpu', 'max', '-m', '256', '-accel', 'tcg', '-display', 'none', '-serial', 'stdio',
            '-no-reboot', '-kernel', bench.guest('linux/vmlinuz'), '-initrd', bench.guest('linux/initrd'),
            '-drive', 'if=none,format=raw,id=disk,file=' + image, '-device', 'virtio-blk-pci,drive=disk',
            '-append', 'console=ttyS0 quiet panic=-1 bulkhead.run="%s"' % commands]
    results = []
    for _ in range(3):
        pair = [speeds(bench.run(bare, 120).text()),
                speeds(bench.launch(bench.linux(commands, more='disk = speed,./speed.img\n'), 'qemu-svm', '--cpus', '1').text())]
        if any(len(values) != len(SPEEDS) for values in pair):
            say('throughput: a run failed; see the logs in %s/logs' % bench.build)
            return False
        results.append(pair)
    say('load average %.1f before the last run' % os.getloadavg()[0])
    say('%-18s %12s %12s %8s %8s %14s %14s' % ('Linux, O_DIRECT', 'bare MB/s', 'Bulkhead', 'ratio', 'target', 'KVM (1)', 'Xen blkback (1)'))
    for i, (what, _, _, target, kvm, xen) in enumerate(SPEEDS):
        alone, through = (statistics.median(pair[side][i] for pair in results) for side in (0, 1))
        ratio = statistics.median(pair[1][i] / pair[0][i] for pair in results)
        say('%-18s %12.1f %12.1f %8.2f %8.1f %14.2f %14.2f' % (what, alone, through, ratio, target, kvm, xen))
    say('(1) ratios measured earlier on the same emulator')
    return True
