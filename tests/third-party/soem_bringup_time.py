#!/usr/bin/env python3
"""How long SOEM (by way of pysoem) takes from a cable to SafeOp: `soem_bringup_time.py IFACE DEVICES`.

Prints `SAFEOP n devices in t ms`: scan, addresses, SII, mailboxes, PreOp, the mapping read by SDO, SyncManagers and FMMUs, SafeOp.
"""

import sys
import time

import pysoem


def main(interface, expected):
    master = pysoem.Master()
    master.open(interface)
    try:
        began = time.perf_counter()
        count = master.config_init()
        if count != expected:
            print(f"{count} devices answer, not {expected}", file=sys.stderr)
            return 1
        try:
            master.config_map()
        except pysoem.ConfigMapError as error:
            # SOEM reports devices whose mailbox it could not use for mapping; the mapping itself goes on.
            for entry in error.error_list:
                print(f"config_map: {entry}")
        if master.state_check(pysoem.SAFEOP_STATE, 5_000_000) != pysoem.SAFEOP_STATE:
            print("no SafeOp", file=sys.stderr)
            return 1
        print(f"SAFEOP {count} devices in {(time.perf_counter() - began) * 1e3:.1f} ms")
        return 0
    finally:
        master.state = pysoem.INIT_STATE
        master.write_state()
        master.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
