"""Ansible action: keep the result of a host on the controller, in the place of an older one and of nothing else."""

from __future__ import annotations

import json
import os
import re
import tempfile

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Works on the controller alone. Without a result it makes sure that there is room for one."""

    def run(self, tmp=None, task_vars=None):
        """Never `changed`: a result says when the host was looked at, which changes nothing on it."""
        answer = super().run(tmp, task_vars)
        _, asked = self.validate_argument_spec(
            {"folder": {"type": "str", "required": True}, "result": {"type": "dict"}}
        )
        host = task_vars["inventory_hostname"]
        if "/" in host:
            raise AnsibleActionFail("[path-not-ours] the name of the host, `%s`, leads out of the folder of results" % host)
        path = os.path.join(asked["folder"], "%s.json" % host)
        try:
            if os.path.lexists(path) and not is_result(path):
                raise AnsibleActionFail(
                    "[path-not-ours] `%s` is there, and is not a result of a rollout: name another folder with"
                    " `environment_results`" % path
                )
            if not self._task.check_mode:
                os.makedirs(asked["folder"], mode=0o755, exist_ok=True)
                if asked["result"] is not None:
                    put(path, json.dumps(asked["result"], indent=4, sort_keys=True))
        except OSError as error:
            raise AnsibleActionFail("`%s` cannot be kept: %s" % (path, error.strerror)) from error
        return {**answer, "changed": False}


def is_result(path):
    """Whether a rollout has written this file."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as stream:
        return re.search(rb'"command": ?"rollout"', stream.read()) is not None


def put(path, text):
    """Write a new file beside its place, then move it there."""
    handle, part = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".part")
    try:
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise
