#!/usr/bin/python
"""Ansible module: what starts tfprov on a host, taken from a served bundle."""

from __future__ import absolute_import, annotations, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: starter
short_description: Bring tfprov itself to a host, from a bundle that is served
description:
  - Fetches C(bootstrap), C(bundle.json) and the wheels of tfprov for the platform of the host from the folder of a bundle
    that a web server hands out, each checked by its hash. TensorFlow itself is left to C(tfprov up).
  - Needs Python 3.10 or newer on the host, neither pip nor a package index.
options:
  url:
    description: Address of the bundle folder.
    type: str
    required: true
  id:
    description: Id of the bundle, as C(tfprov bundle) prints it. Another bundle at the address is refused, before anything of it is
      unpacked or started.
    type: str
  dest:
    description: Folder for it, made if need be.
    type: path
    required: true
author:
  - the authors of tfprov
attributes:
  check_mode:
    description: Says whether something would be fetched.
    support: full
"""

EXAMPLES = r"""
- name: tfprov, from the controller's bundle
  tfprov.fleet.starter:
    url: http://controller.example:8000
    dest: /opt/tfprov
"""

RETURN = r"""
command:
  description: The command that starts tfprov on this host.
  returned: success
  type: list
  elements: str
name:
  description: Name of the environment that the bundle makes.
  returned: success
  type: str
"""

import hashlib
import json
import os
import platform
import sys
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

MOST_MANIFEST = 64 << 20


def main():
    """Run as Ansible runs a module: arguments on standard input, a document on standard output."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "id": {"type": "str"},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    url, dest = module.params["url"].rstrip("/"), module.params["dest"]
    manifest = fetched(module, url, "bundle.json", MOST_MANIFEST)
    found = hashlib.sha256(manifest).hexdigest()
    if module.params["id"] not in (None, found):
        module.fail_json(
            msg="[hash-mismatch] another bundle is served at that address: its id is %s, and %s is rolled out"
            % (found[:12], module.params["id"][:12])
        )
    try:
        document = json.loads(manifest)
        entries = {one["path"]: one for one in document["files"]}
        wheels = {path for one in document["tools"] if one["platform"] == this_platform() for path in one["wheels"]}
        name = document["name"]
        known = sorted({one["platform"] for one in document["tools"]})
    except (ValueError, KeyError, TypeError) as error:
        module.fail_json(msg="[bundle-invalid] %s/bundle.json cannot be read: %s" % (url, error))
    if not wheels:
        module.fail_json(
            msg="[bundle-unfit] the bundle cannot start tfprov on %s, only on %s; make it with `--platform %s`"
            % (this_platform(), ", ".join(known), this_platform())
        )
    if any(os.path.isabs(path) or ".." in path.split("/") for path in wheels):
        module.fail_json(msg="[bundle-invalid] %s/bundle.json names a file outside of the bundle" % url)
    wanted = {path: entries[path]["sha256"] for path in sorted({"bootstrap", *wheels})}
    wanted["bundle.json"] = found
    lacking = [path for path, sha256 in wanted.items() if digest(os.path.join(dest, path)) != sha256]
    if lacking and not module.check_mode:
        for path in lacking:
            data = manifest if path == "bundle.json" else fetched(module, url, path, entries[path]["size"])
            if hashlib.sha256(data).hexdigest() != wanted[path]:
                module.fail_json(msg="[hash-mismatch] %s/%s is not what bundle.json says" % (url, path))
            put(module, os.path.join(dest, path), data)
    module.exit_json(changed=bool(lacking), command=[os.path.join(dest, "bootstrap")], name=name, fetched=lacking)


def fetched(module, url, path, most):
    """The bytes of a file of the bundle; one byte more than `most` of a file that is longer."""
    try:
        return open_url("%s/%s" % (url, quote(path)), timeout=60).read(most + 1)
    except Exception as error:  # open_url raises a dozen kinds
        module.fail_json(msg="[net-refused] %s/%s: %s" % (url, path, error))


def digest(path):
    """SHA-256 of a file; None when it is not there."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except OSError:
        return None


def put(module, path, data):
    """Write a file beside its place, then move it there: a broken connection leaves no half file."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "wb") as stream:
            stream.write(data)
        os.chmod(path + ".part", 0o755 if os.path.basename(path) == "bootstrap" else 0o644)
        os.replace(path + ".part", path)
    except OSError as error:
        module.fail_json(msg="[disk-full] %s" % error if error.errno == 28 else "[permission-denied] %s" % error)


def this_platform():
    """The name that bundles have for this platform."""
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if system == "macos":
        return "macos-%s" % ("arm64" if machine in ("arm64", "aarch64") else machine)
    return "%s-%s" % (system, {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine))


if __name__ == "__main__":
    main()
