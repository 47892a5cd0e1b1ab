"""Memory of processes, as the kernel counts it."""


def pss_mb(pid):
    """Proportional set size of a process in MB, 0 when it is gone."""
    try:
        with open('/proc/%d/smaps_rollup' % pid) as rows:
            return next(int(row.split()[1]) for row in rows if row.startswith('Pss:')) / 1024.0
    except OSError:
        return 0.0
