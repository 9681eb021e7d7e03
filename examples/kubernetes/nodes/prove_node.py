"""Prove the node that this pod is on, again and again, and say the verdict as a condition and a label of the node.

The label `tfprov/verified` is `true` or `false`, for selectors; the condition `TensorFlowVerified` has the failure code as
its reason and the sentence behind it as its message. Nothing but the standard library is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import subprocess
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))


def verdict(bundle: str) -> tuple[str, str, str]:
    """Status of the condition, its reason and its message. What is verified as the node is now is not proved again."""
    done = subprocess.run(
        ["tfprov", "up", "--bundle", bundle, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return "Unknown", "NoVerdict", f"tfprov ended with status {done.returncode} and said nothing"
    if found["ok"]:
        return "True", "Verified", f"TensorFlow {found['tensorflow']} passed on every visible device"
    # A reason is one word, as Kubernetes writes them: `gpu-driver-too-old` becomes `GpuDriverTooOld`.
    reason = "".join(part.capitalize() for part in found["error"]["code"].split("-"))
    # A network that fails says nothing about the node.
    status = "Unknown" if done.returncode in (12, 130) else "False"
    return status, reason, f"{found['error']['code']}: {found['error']['what']}"[:1024]


def patch(path: str, body: object) -> None:
    """Send a strategic merge patch to the API server of the cluster.

    Raises:
        OSError: it did not answer, or refused.
    """
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request(
        f"https://{f'[{host}]' if ':' in host else host}:{port}{path}",
        data=json.dumps(body).encode(),
        method="PATCH",
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}",
            "Content-Type": "application/strategic-merge-patch+json",
        },
    )
    with urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=ACCOUNT / "ca.crt")):
        pass


def tell(node: str, status: str, reason: str, message: str, *, changed: bool) -> None:
    """Write the verdict to the node.

    Raises:
        OSError: the API server did not answer, or refused.
    """
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": "TensorFlowVerified",
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now,
        **({"lastTransitionTime": now} if changed else {}),
    }
    patch(f"/api/v1/nodes/{node}/status", {"status": {"conditions": [condition]}})
    label = {"True": "true", "False": "false"}.get(status)
    patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {"tfprov/verified": label}}})


def main() -> None:
    """Prove, tell, wait; a server that is not there is told at the next turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--every", type=float, default=0, metavar="SECONDS", help="without it: once")
    options = parser.parse_args()
    told = None
    while True:
        found = verdict(options.bundle)
        print(*found, flush=True)
        try:
            tell(os.environ["NODE_NAME"], *found, changed=found[0] != told)
            told = found[0]
        except OSError as error:
            print(f"the node could not be written to: {error}", flush=True)
            if not options.every:
                raise SystemExit(1) from error
        if not options.every:
            return
        time.sleep(options.every)


if __name__ == "__main__":
    main()
