"""What a host may say to the controller."""

from __future__ import annotations

import json

KNOWN = frozenset(
    "changed failed msg skipped result plan name command fetched dest rc exception module_stdout module_stderr"
    " invocation warnings deprecations _ansible_parsed".split()
)
STATES = frozenset(("verified", "rolled-back", "kept", "failed"))
LONGEST = 4000
LARGEST = 1 << 20


def told(answer):
    """An answer of a module, with what the modules of this collection say and nothing else.

    Ansible makes variables of the `ansible_facts` in any answer, and they take the place of defaults of roles, and of the
    name of the host: such a host would choose what is started and written on the controller. What it says at length
    would fill the screen.
    """
    kept = {key: cut(value) for key, value in answer.items() if key in KNOWN}
    facts = answer.get("ansible_facts") or {}
    found = {key: facts[key] for key in facts if key.startswith("discovered_interpreter_")}
    if found:  # otherwise each task would look for it again
        kept["ansible_facts"] = found
    if "result" in kept and not is_result(kept["result"]):
        del kept["result"]
        return {**kept, "failed": True, "msg": "the answer of the host is not the result of a rollout"}
    return kept


def cut(value):
    """A text without what nobody would read; anything else as it is."""
    return value[:LONGEST] if isinstance(value, str) else value


def is_result(found):
    """Whether this is what the module `environment` says, so that the others of a rollout can rely on it."""
    if not isinstance(found, dict) or len(json.dumps(found, default=str)) > LARGEST:
        return False
    if found == {"state": "foreseen"}:
        return True
    error = found.get("error")
    is_error = isinstance(error, dict) and all(isinstance(error.get(key), str) for key in ("code", "what", "hint"))
    return (
        found.get("command") == "rollout"
        and found.get("state") in STATES
        and (error is None if found["state"] == "verified" else is_error)
    )
