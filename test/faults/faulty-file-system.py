"""A FUSE file system that passes everything through to a directory, and fails what a test tells it to with EIO.

Arguments: the directory behind it, the mount point. Commands, a line each on standard input:
  each   from now on every operation, told apart by its name and path, fails the first time that it is tried
  all    every operation fails
  none   everything works
  modeless   it keeps no modes: everybody may read everything, and chmod has no effect
  unchanged  the same, and chmod fails with EPERM, as on vfat
Each failure is printed as a line: operation and path. The end of the input unmounts it.
"""

import errno
import os
import re
import subprocess
import sys
import threading

from fusepy import FUSE, FuseOSError, Operations


ATTRIBUTES = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_atime", "st_mtime", "st_ctime")
FILE_SYSTEM_ATTRIBUTES = ("f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")
# What the kernel does of its own accord, and a close, which has nobody to report to.
SPARED = {"init", "destroy", "access", "release", "releasedir", "flush", "statfs"}


class Faulty(Operations):
    def __init__(self, root):
        self.root = root
        self.mode = "none"
        self.failed = set()

    def __call__(self, operation, path, *arguments):
        # The times and numbers in a name make no other operation of it.
        place = (operation, re.sub(r"\d+", "N", path))
        if operation not in SPARED and (self.mode == "all" or (self.mode == "each" and place not in self.failed)):
            self.failed.add(place)
            print(*place, flush=True)
            raise FuseOSError(errno.EIO)
        return super().__call__(operation, path if operation == "symlink" else self.root + path, *arguments)

    access = staticmethod(lambda path, mode: 0)
    chown = staticmethod(os.chown)
    mkdir = staticmethod(os.mkdir)
    readlink = staticmethod(os.readlink)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    open = staticmethod(os.open)

    def chmod(self, path, mode):
        if self.mode == "unchanged":
            raise FuseOSError(errno.EPERM)
        if self.mode != "modeless":
            os.chmod(path, mode)

    def getattr(self, path, handle=None):
        facts = os.lstat(path)
        attributes = {name: getattr(facts, name) for name in ATTRIBUTES}
        if self.mode in ("modeless", "unchanged"):
            attributes["st_mode"] |= 0o055
        return attributes

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(path)]

    def statfs(self, path):
        facts = os.statvfs(path)
        return {name: getattr(facts, name) for name in FILE_SYSTEM_ATTRIBUTES}

    def symlink(self, path, target):
        os.symlink(target, self.root + path)

    def rename(self, old, new):
        os.rename(old, self.root + new)

    def link(self, path, existing):
        os.link(self.root + existing, path)

    def create(self, path, mode, info=None):
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, handle):
        return os.pread(handle, size, offset)

    def write(self, path, data, offset, handle):
        return os.pwrite(handle, data, offset)

    def truncate(self, path, length, handle=None):
        os.truncate(path, length)

    def fsync(self, path, datasync, handle):
        os.fsync(handle)

    def opendir(self, path):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    fsyncdir = fsync

    def release(self, path, handle):
        os.close(handle)

    releasedir = release

    def flush(self, path, handle):
        return 0

    def utimens(self, path, times=None):
        os.utime(path, times)


def obey(faulty, mount_point):
    for line in sys.stdin:
        faulty.mode = line.strip()
        faulty.failed.clear()
        print("now", faulty.mode, flush=True)
    subprocess.run(["umount", "--lazy", mount_point], check=False)


root, mount_point = sys.argv[1:]
faulty = Faulty(root)
threading.Thread(target=obey, args=(faulty, mount_point), daemon=True).start()
# Nothing is answered from a cache: each operation of the agent is one here.
FUSE(faulty, mount_point, foreground=True, nothreads=True, direct_io=True, attr_timeout=0, entry_timeout=0)
