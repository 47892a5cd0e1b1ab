"""A machine of its own for scripts that change one: a mount namespace with its own /etc, /opt, /var, /mnt and sysctls.

Swap is real: the kernel turns it on in a file on an ext4 image that only this namespace sees at /mnt.
"""
import os
import signal
import stat
import subprocess

MOUNTS = r'''
set -e
cd "$1"
mount -t tmpfs -o mode=755 tmpfs over
mkdir over/etc over/work
mount -t overlay -o "lowerdir=/etc,upperdir=$1/over/etc,workdir=$1/over/work" overlay /etc
mount --bind lib /var/lib
mount --bind log /var/log
mount --bind run /run
mount --bind opt /opt
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount --bind swappiness /proc/sys/vm/swappiness
mount -o loop disk.img /mnt
echo ready
exec sleep 1000000
'''
STATE_CHANGING = ('install', 'rm', 'fallocate', 'dd', 'mkswap', 'sync', 'mv', 'swapon', 'swapoff', 'chmod', 'chown',
                  'cp', 'touch', 'sysctl', 'mkdir')
MORTAL = r'''#!/bin/bash
# Counts; at the chosen number it kills the script that called it, before anything was done.
here=$(dirname "$0")
number=$(($(cat "$here/count") + 1))
echo "$number" > "$here/count"
[ "$number" != "$(cat "$here/last")" ] || kill -9 0
PATH=${PATH#"$here:"}
exec %s "$@"
'''


def why_not():
    """Why this kernel or this user cannot have such a machine, or None."""
    if os.geteuid() != 0:
        return 'mounts and swap need root'
    tried = subprocess.run(['unshare', '--mount', 'true'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if tried.returncode == 0 else 'no mount namespace here: %s' % tried.stdout.decode().strip()


class PrivateMachine:
    """Its /mnt is an image of `disk_mb`, made by `mkfs`; `fstab` is its /etc/fstab."""

    def __init__(self, folder, disk_mb=64, mkfs=('mkfs.ext4', '-q', '-b', '4096'),
                 fstab='/dev/mmcblk0p1 / ext4 defaults 0 1\n'):
        self.folder = str(folder)
        for name in ('over', 'lib', 'log', 'run', 'opt', 'bin'):
            os.mkdir(os.path.join(self.folder, name))
        self.write('swappiness', '60\n')
        with open(self.path('disk.img'), 'wb') as image:
            image.truncate(disk_mb << 20)
        subprocess.run(list(mkfs) + [self.path('disk.img')], check=True, stdout=subprocess.DEVNULL)
        self._holder = subprocess.Popen(
            ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', MOUNTS, 'mounts', self.folder],
            stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b'ready\n'
        self.put('/etc/fstab', fstab)

    def close(self):
        self.do('swapon --show=NAME --noheadings --raw | grep ^/mnt/ | xargs -r swapoff', check=False)
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8') as file:
            file.write(text)

    def command(self, name, body):
        """Another program in front of that of the system."""
        path = self.path('bin/' + name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(body)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def start(self, *command, **environment):
        """A Popen, all it says in its stdout; in a process group of its own."""
        environ = dict(os.environ, PATH='%s:/usr/sbin:/usr/bin:/sbin:/bin' % self.path('bin'))
        return subprocess.Popen(
            ['nsenter', '--wd=%s' % self.folder, '--mount=/proc/%d/ns/mnt' % self._holder.pid] + list(command),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8',
            start_new_session=True, env=dict(environ, **environment))

    def run(self, *command, **environment):
        """Exit code and all that was said."""
        with self.start(*command, **environment) as process:
            try:
                said, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, said

    def do(self, line, check=True):
        """What a shell line prints."""
        code, said = self.run('bash', '-c', line)
        assert code == 0 or not check, said
        return said

    def put(self, path, text):
        self.run('bash', '-c', 'printf %s "$1" > "$2"', 'put', text, path)

    def read(self, path):
        return self.do('cat %s' % path)

    def kill_at(self, number):
        """Kill the next script before its command of this number, of those that change anything; None: never."""
        self.write('bin/count', '0\n')
        self.write('bin/last', '%s\n' % number)
        for name in STATE_CHANGING:
            self.command(name, MORTAL % name)
