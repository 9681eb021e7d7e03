#!/usr/bin/python
"""Ansible module: bring one environment of tfprov up on a host, confirm it, and go back where it does not hold."""

from __future__ import absolute_import, annotations, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: environment
short_description: A TensorFlow environment that has proved itself, or the one before it
description:
  - Runs C(tfprov up) on the host, which builds beside the environment in use and switches only after a good smoke test.
  - Then confirms the new environment at O(confirm_level) and with the commands of O(acceptance), and goes back to the
    generation that was in use before where that fails.
  - Never leaves a host with less than it had.
options:
  profile:
    description: Profile on the host, a path or the name of a shipped one. Not needed with a bundle, which brings its own.
    type: str
  name:
    description: Name of the environment. Default is O(profile). Needed with a bundle alone.
    type: str
  tfprov:
    description: The command that starts tfprov on the host.
    type: list
    elements: str
    default: [tfprov]
  home:
    description: Value of E(TFPROV_HOME) on the host. Default is that of tfprov.
    type: path
  bundle:
    description: Bundle made by C(tfprov bundle), a path on the host or the URL of a served folder. Nothing else is asked then.
      C(#sha256=ID) after it names the one bundle that may be taken.
    type: str
  set:
    description: Overrides of the profile, each as O(set=KEY=VALUE).
    type: list
    elements: str
    default: []
  locked:
    description: Fail rather than make or change a lock.
    type: bool
    default: false
  confirm_level:
    description: Level of a second smoke test, in the activated environment; V(none) for no such test.
    type: str
    choices: [none, quick, standard, deep]
    default: none
  news:
    description: Whether the files of the profile, or tfprov itself, are new on the host. Read in check mode alone.
    type: bool
    default: false
  acceptance:
    description: Commands that must succeed inside the activated environment, each a list of words.
    type: list
    elements: list
    default: []
author:
  - the authors of tfprov
attributes:
  check_mode:
    description: Says whether something would be made. Where the profile is on the host already, with what C(tfprov plan) says.
    support: full
"""

EXAMPLES = r"""
- name: TensorFlow on every host of the group
  tfprov.fleet.environment:
    profile: /srv/profiles/train.toml
    confirm_level: standard
    acceptance:
      - [python, -m, our_model.selftest]
"""

RETURN = r"""
result:
  description: What the host ended with, as C(tfprov gather) reads it.
  returned: always
  type: dict
  contains:
    state:
      description: V(verified), V(rolled-back), V(kept) (the new one was never put in use), V(failed) (nothing verified is there),
        or V(foreseen) in check mode.
      type: str
    error:
      description: Why it is not V(verified), with code, evidence and hint; null when it is.
      type: dict
    before:
      description: Generation in use before; null for none.
      type: int
    generation:
      description: Generation in use now; null for none.
      type: int
"""

import datetime
import json
import os
import re
import sys

from ansible.module_utils.basic import AnsibleModule


class Tfprov:
    """The tfprov of this host; every answer is its JSON document."""

    def __init__(self, module):
        self._module = module
        self.name = module.params["name"] or module.params["profile"]
        # Once `up` has said which one it is: several environments may have one name.
        self.id = None
        # A starter looks for a Python by itself; the one that Ansible found on this host comes first.
        self._environ = {"TFPROV_PYTHON": os.environ.get("TFPROV_PYTHON") or sys.executable}
        if module.params["home"]:
            self._environ["TFPROV_HOME"] = module.params["home"]

    def run(self, *words):
        """Exit status, standard output and standard error."""
        return self._module.run_command([*self._module.params["tfprov"], *words], environ_update=self._environ)

    def ask(self, *words):
        """The document of a command; one with an error when it printed none."""
        status, out, err = self.run(*words, "--json")
        try:
            return json.loads(out)
        except ValueError:
            # The starter of a bundle fails in words.
            said = re.search(r"^error\[([a-z-]+)\]: (.*)", err, re.MULTILINE)
            hint = re.search(r"^hint: (.*)", err, re.MULTILINE)
            return {
                "ok": False,
                "error": {
                    "code": said[1] if said else "internal",
                    "exit_code": status,
                    "what": said[2] if said else "`tfprov %s` printed no document" % words[0],
                    "evidence": [line for line in (err or out).splitlines()[:8] if line],
                    "tried": [],
                    "hint": hint[1] if hint else "is tfprov on this host? The option `tfprov` names its command",
                },
            }

    def found(self):
        """The entry of the environment in `tfprov list`; None when there is none.

        Before `up` has said its id, it is that of the profile on the host: with a bundle the one that a bundle of the name
        has made, and not another one that is called alike.
        """
        listed = self.listed()
        if self.id:
            return next((one for one in listed if one["id"] == self.id), None)
        profile = self._module.params["profile"]
        if profile:
            alike = [one for one in listed if profile in (one["profile"], one["id"]) or one["name"] == profile]
            return alike[0] if len(alike) == 1 else next((one for one in alike if one["profile"] == profile), None)
        return next((one for one in listed if one["name"] == self.name and one.get("bundle")), None)

    def listed(self):
        """All environments of this user on the host."""
        return self.ask("list").get("environments", [])

    def active(self):
        """Number of the generation in use; None for none."""
        return (self.found() or {}).get("active")


def main():
    """Run as Ansible runs a module: arguments on standard input, a document on standard output."""
    module = AnsibleModule(
        argument_spec={
            "profile": {"type": "str"},
            "name": {"type": "str"},
            "tfprov": {"type": "list", "elements": "str", "default": ["tfprov"]},
            "home": {"type": "path"},
            "bundle": {"type": "str"},
            "set": {"type": "list", "elements": "str", "default": []},
            "locked": {"type": "bool", "default": False},
            "confirm_level": {"type": "str", "choices": ["none", "quick", "standard", "deep"], "default": "none"},
            "acceptance": {"type": "list", "elements": "list", "default": []},
            "news": {"type": "bool", "default": False},
        },
        required_one_of=[["profile", "name"]],
        supports_check_mode=True,
    )
    tfprov = Tfprov(module)
    wanted = [module.params["profile"]] if module.params["profile"] else []
    for override in module.params["set"]:
        wanted += ["--set", override]
    if module.check_mode:
        foresee(module, tfprov, wanted)
    if module.params["locked"]:
        wanted.append("--locked")
    if module.params["bundle"]:
        wanted += ["--bundle", module.params["bundle"]]
    result, before = roll(tfprov, wanted)
    answer = {"changed": result["generation"] != before, "result": result}
    if result["state"] == "verified":
        module.exit_json(**answer)
    module.fail_json(msg="%s: %s" % (result["state"], said(result["error"])), **answer)


def foresee(module, tfprov, wanted):
    """End with what `up` would change. Nothing is changed, and what the host has is not proved again."""
    profile, bundle = module.params["profile"], module.params["bundle"]
    on_host = profile and (os.path.isfile(profile) or os.sep not in profile)
    planned = tfprov.ask("plan", *wanted) if on_host and not bundle else None
    if planned is not None and not planned["ok"]:
        module.fail_json(msg=said(planned["error"]), changed=False, plan=planned)
    entry = None if module.params["news"] and bundle else tfprov.found()
    active = [one for one in (entry or {}).get("generations", []) if one["number"] == entry["active"]]
    meant = (bundle or "").rpartition("#sha256=")[2] if "#sha256=" in (bundle or "") else None
    changed = module.params["news"] or not active or bool(active[0].get("flaw")) or meant not in (None, entry["bundle"])
    module.exit_json(changed=changed, plan=planned, result={"state": "foreseen"})


def roll(tfprov, wanted):
    """The result of one host (up, confirm, and back where that fails), and the generation that was in use before."""
    listed = {one["id"]: one["active"] for one in tfprov.listed()}
    made = tfprov.ask("up", *wanted)
    tfprov.id = (made.get("environment") or {}).get("id") or (tfprov.found() or {}).get("id")
    before = listed.get(tfprov.id)
    if made["ok"]:
        error, devices = confirm(tfprov)
        made["devices"] = devices or made["devices"]
        if error is None:
            number = made["environment"]["generation"]
            return result(made, state="verified", before=before, generation=number), before
        return back(tfprov, made, before, error), before
    state = "failed" if before is None or not stands(tfprov) else "kept"
    return result(made, state=state, before=before, generation=before, error=made["error"]), before


def confirm(tfprov):
    """Why the activated environment does not hold (None when it does), and the devices of its last smoke test."""
    devices = None
    level = tfprov._module.params["confirm_level"]
    if level != "none":
        checked = tfprov.ask("smoke", tfprov.id, "--level", level)
        devices = checked.get("devices")
        if not checked["ok"]:
            return checked["error"], devices
    for words in tfprov._module.params["acceptance"]:
        status, out, err = tfprov.run("run", tfprov.id, "--", *[str(word) for word in words])
        if status != 0:
            error = {
                "code": "user-check-failed",
                "group": "smoke",
                "exit_code": status,
                "what": "the acceptance command `%s` ended with %s" % (" ".join(map(str, words)), status),
                "evidence": (err or out).splitlines()[-5:],
                "tried": [],
                "hint": "run it on the host with `tfprov run`",
            }
            return error, devices
    return None, devices


def back(tfprov, made, before, error):
    """The result after a confirmation that failed: the generation before, where there is one that still holds."""
    new = made["environment"]["generation"]
    if before is None or before == new:
        # Nothing to go back to; the environment passed its own smoke test and stays for a look at it.
        return result(made, state="failed", before=before, generation=new, error=error)
    returned = tfprov.ask("rollback", tfprov.id, str(before))
    if not returned["ok"] or not stands(tfprov):
        return result(made, state="failed", before=before, generation=tfprov.active(), error=error)
    return result(made, state="rolled-back", before=before, generation=before, error=error)


def stands(tfprov):
    """Whether the environment in use passes a quick smoke test now."""
    return tfprov.ask("smoke", tfprov.id, "--level", "quick")["ok"]


def result(made, state, before, generation, error=None):
    """The document that `tfprov gather` reads."""
    return {
        "schema": 1,
        "command": "rollout",
        "state": state,
        "before": before,
        "generation": generation,
        "error": error,
        "tensorflow": (made.get("tensorflow") or {}).get("version"),
        "python": (made.get("environment") or {}).get("python"),
        "already": made.get("already", False),
        "bytes_fetched": made.get("bytes_fetched"),
        "devices": made.get("devices") or [],
        "finished_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def said(error):
    """An error in one line."""
    return "[%s] %s" % (error["code"], error["what"])


if __name__ == "__main__":
    main()
