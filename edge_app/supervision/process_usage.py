"""What a process costs, from /proc."""
import os


def cpu_s(pid):
    """CPU seconds process `pid` has used; 0.0 when it is gone. Anybody may ask for any process."""
    try:
        with open('/proc/%s/stat' % pid, 'rb') as stat:
            fields = stat.read().rpartition(b')')[2].split()  # the name before it may hold anything
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def own_mb(pid):
    """Resident memory in MB that a process shares with nobody and that no file stands behind; None when it is gone.

    Anybody may ask for any process.
    """
    try:
        with open('/proc/%s/status' % pid) as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith('RssAnon:')), None)
    except OSError:
        return None


def pss_mb(pid='self'):
    """Memory of a process in MB with shared pages divided among those who share; None when not allowed or gone.

    A worker asks for itself, because the kernel hides this of a process that hides its memory (PR_SET_DUMPABLE).
    smaps_rollup came with Linux 4.14; the TX2's 4.9 has the sum to be made.
    """
    for name in ('smaps_rollup', 'smaps'):
        try:
            with open('/proc/%s/%s' % (pid, name), 'rb') as smaps:
                return sum(int(line.split()[1]) for line in smaps if line.startswith(b'Pss:')) / 1024
        except OSError:
            continue
    return None
