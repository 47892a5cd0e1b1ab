"""CPU time and memory of a process, from /proc."""
import os


def cpu_s(pid):
    """CPU seconds process `pid` has used; 0.0 when it has ended. Works for any process."""
    try:
        with open('/proc/%s/stat' % pid, 'rb') as stat:
            fields = stat.read().rpartition(b')')[2].split()  # the name before it may hold anything
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def own_mb(pid):
    """Resident memory in MB that is neither shared nor backed by a file; None when the process has ended.

    Works for any process.
    """
    try:
        with open('/proc/%s/status' % pid) as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith('RssAnon:')), None)
    except OSError:
        return None


def pss_mb(pid='self'):
    """Memory of a process in MB, shared pages divided among their users; None when not allowed or ended.

    Each worker reads its own, because the kernel hides it of processes that protect their memory (PR_SET_DUMPABLE).
    smaps_rollup came with Linux 4.14; on the TX2's 4.9 it is summed up here.
    """
    for name in ('smaps_rollup', 'smaps'):
        try:
            with open('/proc/%s/%s' % (pid, name), 'rb') as smaps:
                return sum(int(line.split()[1]) for line in smaps if line.startswith(b'Pss:')) / 1024
        except OSError:
            continue
    return None
