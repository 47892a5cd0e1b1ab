"""Reading small files of /proc and /sys, below a root so that tests can bring a board of their own."""
import glob
import os


class Tree:
    """Files below `root`; what cannot be read is ''."""

    def __init__(self, root='/'):
        self.root = root

    def text(self, path):
        """Content without the white space and the NUL that device trees end with. '' when it cannot be read."""
        try:
            with open(os.path.join(self.root, path), errors='replace') as file:
                return file.read().strip('\0 \t\n')
        except OSError:  # sensors that are switched off answer EAGAIN, EIO or ENODATA
            return ''

    def number(self, path, scale=1.0):
        """The number in a file times `scale`; None when there is none."""
        try:
            return float(self.text(path)) * scale
        except ValueError:
            return None

    def find(self, *patterns):
        """Paths below the root that match the first pattern with a match, in natural order: zone10 after zone9."""
        for pattern in patterns:
            found = glob.glob(os.path.join(self.root, pattern))
            if found:
                return sorted((os.path.relpath(path, self.root) for path in found),
                              key=lambda path: (len(path), path))
        return []

    def table(self, path):
        """{'MemTotal': 8042496} of lines like 'MemTotal: 8042496 kB'; lines of another form are left out."""
        rows = (line.split() for line in self.text(path).splitlines())
        return {row[0].rstrip(':'): int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
