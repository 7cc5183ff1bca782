"""The system calls that code in a sandbox may not make, as a filter for the kernel of Linux.

A deny list, in classic BPF as seccomp(2) wants it. What is on it serves to change mounts and
namespaces, to look into other processes, or to hide code from the file system; Python and its
libraries do without all of them. Numbers are those of the kernel's own headers.
"""

import errno
import platform
import struct
from typing import Final

_LOAD: Final = 0x20
_JUMP_EQ: Final = 0x15
_JUMP_SET: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_NR, _ARCH, _ARG0 = 0, 4, 16
_CLONE_NEW: Final = 0x7E020000
"""All flags of clone(2) that make a new namespace."""
_X32_BIT: Final = 0x40000000

_ARCHES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_DENIED: Final = {
    "x86_64": {
        "ptrace": 101, "syslog": 103, "personality": 135, "ustat": 136, "sysfs": 139,
        "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164,
        "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
        "delete_module": 176, "quotactl": 179, "clock_settime": 227, "kexec_load": 246,
        "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
        "perf_event_open": 298, "name_to_handle_at": 303, "open_by_handle_at": 304,
        "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "kcmp": 312, "finit_module": 313, "memfd_create": 319, "kexec_file_load": 320, "bpf": 321,
        "userfaultfd": 323,
    },
    "aarch64": {
        "quotactl": 60, "acct": 89, "personality": 92, "unshare": 97, "init_module": 105,
        "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142,
        "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171,
        "add_key": 217, "request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225,
        "perf_event_open": 241, "name_to_handle_at": 264, "open_by_handle_at": 265,
        "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "kcmp": 272, "finit_module": 273, "memfd_create": 279, "bpf": 280, "userfaultfd": 282,
        "kexec_file_load": 294, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51,
        "kexec_load": 104,
    },
}  # fmt: skip
_DENIED_EVERYWHERE: Final = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "mount_setattr": 442, "quotactl_fd": 443, "memfd_secret": 447,
}  # fmt: skip
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435


def program() -> bytes | None:
    """The filter for this machine's processor; None for one whose numbers are not known."""
    machine = platform.machine()
    if machine not in _ARCHES:
        return None
    denied = sorted([*_DENIED[machine].values(), *_DENIED_EVERYWHERE.values()])
    lines = [
        _line(_LOAD, value=_ARCH),
        _line(_JUMP_EQ, yes=1, value=_ARCHES[machine]),
        _line(_RETURN, value=_KILL),
        _line(_LOAD, value=_NR),
    ]
    if machine == "x86_64":
        # The same calls have other numbers there.
        lines += [_line(_JUMP_SET, no=1, value=_X32_BIT), _line(_RETURN, value=_KILL)]
    # The C library falls back to clone, whose flags a filter can read.
    lines += [
        _line(_JUMP_EQ, no=1, value=_CLONE3),
        _line(_RETURN, value=_ERRNO | errno.ENOSYS),
        _line(_JUMP_EQ, no=3, value=_CLONE[machine]),
        _line(_LOAD, value=_ARG0),
        _line(_JUMP_SET, no=1, value=_CLONE_NEW),
        _line(_RETURN, value=_ERRNO | errno.EPERM),
        _line(_LOAD, value=_NR),
    ]
    for number in denied:
        lines += [
            _line(_JUMP_EQ, no=1, value=number),
            _line(_RETURN, value=_ERRNO | errno.EPERM),
        ]
    lines.append(_line(_RETURN, value=_ALLOW))
    return b"".join(lines)


def _line(code: int, *, yes: int = 0, no: int = 0, value: int) -> bytes:
    """One instruction; `yes` and `no` are how many to skip."""
    return struct.pack("=HBBI", code, yes, no, value)
