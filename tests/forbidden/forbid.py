#!/usr/bin/env python3
"""forbid.py COMMAND ... - runs a command for which io_uring is forbidden, as in many containers.

A seccomp filter (seccomp(2)) makes io_uring_setup fail with EPERM in the command and all it starts.
"""

import ctypes
import os
import struct
import sys

NR_IO_URING_SETUP = 425  # the same on every architecture: calls added since 5.1 share their numbers
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
EPERM = 1
# Classic BPF: load the call's number; if it is io_uring_setup, answer EPERM; else allow.
PROGRAM = ((0x20, 0, 0, 0), (0x15, 0, 1, NR_IO_URING_SETUP), (0x06, 0, 0, 0x00050000 | EPERM), (0x06, 0, 0, 0x7FFF0000))


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def main(command):
    if not command:
        print("usage: forbid.py COMMAND ...", file=sys.stderr)
        return 2
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in PROGRAM))
    program = Filter(len(PROGRAM), ctypes.cast(code, ctypes.c_void_p))
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))):
        print(f"forbid.py: no seccomp here: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 1
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
