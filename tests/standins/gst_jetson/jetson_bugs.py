"""Which known bugs of a Jetson's decoder strike in this process.

JETSON_STANDIN_BUGS, words `bug[=value][@worker]`:
    second-caps     waits for ever at a second CAPS event when the one before had a width (R32.7 set_format)
    leak=MB         every decoder that is told a width of 0 keeps so much for good (R32.7, buffer pool never freed)
    hang=N          never comes back from the Nth access unit
    silent=N        takes the Nth access unit and all after it, and gives no picture and no message
    late=S          the first picture takes S seconds
    hold=N          hands a picture out only when it has N newer ones, unless `disable-dpb` was set before CAPS
    slow=S          every access unit takes S seconds (no bug, but too many cameras)
`@capture:gate` is for the process of that name only. With JETSON_STANDIN_ONCE, a folder, a bug strikes in one decoder
only, the first that gets there.
"""
import os


def worker():
    """Name of this process: the last word of its command line."""
    with open('/proc/self/cmdline', 'rb') as words:
        return words.read().rstrip(b'\0').split(b'\0')[-1].decode()


def planted():
    """{bug: value} for this process."""
    found = {}
    for word in os.environ.get('JETSON_STANDIN_BUGS', '').split():
        bug, _, only = word.partition('@')
        name, _, value = bug.partition('=')
        if only in ('', worker()):
            found[name] = float(value or 1)
    return found


def strikes(bug):
    """Whether a planted bug may strike now, for the first time or again."""
    folder = os.environ.get('JETSON_STANDIN_ONCE')
    if not folder:
        return True
    try:
        os.close(os.open(os.path.join(folder, bug), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
