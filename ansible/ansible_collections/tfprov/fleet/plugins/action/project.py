"""Ansible action: copy what a profile consists of from the controller to a host, all files in one step."""

from __future__ import annotations

import base64
import json
import os
import subprocess

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.tfprov.fleet.plugins.plugin_utils.told import told as kept


class ActionModule(ActionBase):
    """Reads the files on the controller; the module of the same name writes them on the host."""

    def run(self, tmp=None, task_vars=None):
        """The answer of the module, with the profile as the host knows it."""
        answer = super().run(tmp, task_vars)
        _, asked = self.validate_argument_spec(
            {
                "profile": {"type": "str", "required": True},
                "dest": {"type": "str", "required": True},
                "controller": {"type": "list", "elements": "str", "default": ["tfprov"]},
            }
        )
        parts = parts_of(asked["controller"], asked["profile"])
        if not parts["files"]:  # a shipped profile, which each host has
            return {**answer, "changed": False, "profile": parts["profile"]}
        try:
            files = [{"path": name, "content": encoded(os.path.join(parts["root"], name))} for name in parts["files"]]
        except OSError as error:
            raise AnsibleActionFail("[permission-denied] `%s`: %s" % (error.filename, error.strerror)) from error
        told = {"dest": asked["dest"], "files": files}
        answer.update(kept(self._execute_module("tfprov.fleet.project", told, task_vars=task_vars)))
        if "dest" in answer:
            answer["profile"] = os.path.join(answer["dest"], parts["profile"])
        return answer


def parts_of(command, profile):
    """The document of `tfprov files` on the controller, whose paths are relative to the user's working folder."""
    words = [*command, "files", profile, "--json"]
    try:
        done = subprocess.run(
            words, cwd=os.environ.get("PWD"), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        document = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        raise AnsibleActionFail("`%s` on the controller: %s" % (" ".join(words), error)) from error
    if not document["ok"]:
        error = document["error"]
        raise AnsibleActionFail("[%s] %s" % (error["code"], error["what"]), result={"hint": error["hint"]})
    return document


def encoded(path):
    """The content of a file in base64."""
    with open(path, "rb") as stream:
        return base64.b64encode(stream.read()).decode()
