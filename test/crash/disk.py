"""A disk of its own for a test: an ext4 image on a loop device, which can lose its power, run full, or fail to flush.

The test runs in a mount namespace of its own (own_mounts), so that mounts and loop devices vanish with its last
process, however that ends. Needs root and loop devices.
"""
import fcntl
import os
import pathlib
import struct
import subprocess
import sys
import time

SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32_t), ext4 and XFS alike
NO_LOG_FLUSH = 2
MARK = "TEST_HAS_OWN_MOUNTS"


def own_mounts():
    """Starts this program again in a mount namespace of its own. Returns a reason if that cannot be."""
    if os.environ.get(MARK):
        return None
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("unshare", "mkfs.ext4", "mount", "umount"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, check=False).returncode:
            return f"{tool} is not on this machine"
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"no mount namespaces here: {done.stderr.strip()}"
    os.execvpe("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv],
               dict(os.environ, **{MARK: "1"}))
    return "unreachable"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


class Disk:
    def __init__(self, folder, size_mib, options="commit=300", image_folder=None):
        self.folder, self.options = pathlib.Path(folder), options
        self.mount_point = self.folder / "mnt"
        self.mount_point.mkdir(parents=True, exist_ok=True)
        self.image = pathlib.Path(image_folder or self.folder) / "disk.img"
        with open(self.image, "wb") as f:
            f.truncate(size_mib << 20)
        run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        self.mount()

    def mount(self, more=""):
        run("mount", "-o", f"loop,{self.options}{more}", self.image, self.mount_point)

    def unmount(self):
        for attempt in range(50):
            try:
                return run("umount", self.mount_point)
            except OSError:
                if attempt == 49:
                    raise
                time.sleep(0.05)

    def power_off(self):
        fd = os.open(self.mount_point, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)

    def cut(self):
        """Power off and on again. Processes with open files there must have ended before the mount."""
        self.power_off()
        self.unmount()
        self.mount()

    def free_bytes(self):
        s = os.statvfs(self.mount_point)
        return s.f_bavail * s.f_frsize

    def destroy(self):
        self.unmount()
        self.image.unlink()
