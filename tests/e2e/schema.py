#!/usr/bin/env python3
"""Whether documents are what the JSON schemas of the OCI specifications say they are: those of Debian's packages, or in the folders named.

usage: schema.py config FILE...           each a bundle's config.json; a member that the schema does not name is an error as well
       schema.py layout LAYOUT[.tar]...   oci-layout, index.json, and every index, manifest and configuration they lead to that is there

Each fault is a line "DOCUMENT: MEMBER: what is wrong", and makes the exit status 1. Else one line tells how many documents of each kind were looked at.
OCI_SCHEMAS: where runtime-spec/schema and image-spec/schema lie.
"""
import collections
import json
import os
import re
import sys
import tarfile
import urllib.parse
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # RefResolver: the library of its successor came with 4.18
import jsonschema

SCHEMAS = os.environ.get("OCI_SCHEMAS", "/usr/share/gocode/src/github.com/opencontainers")
OCI = "application/vnd.oci.image."
DOCUMENTS = {  # media type: what it is called here, and its schema
    OCI + "index.v1+json": ("index", "image-index-schema.json"),
    OCI + "manifest.v1+json": ("manifest", "image-manifest-schema.json"),
    OCI + "config.v1+json": ("config", "config-schema.json"),
}
formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value))


@formats.checks("uri")
def is_uri(value):
    return not isinstance(value, str) or bool(urllib.parse.urlsplit(value).scheme)


class Beside(jsonschema.RefResolver):
    """What a schema refers to lies beside it, whatever address its "id" makes of the name; nothing is fetched."""

    def __init__(self, folder, schema):
        self.folder = folder
        super().__init__("https://beside.invalid/" + schema, load(os.path.join(folder, schema)))

    def resolve_remote(self, uri):
        return load(os.path.join(self.folder, os.path.basename(urllib.parse.urlsplit(uri).path)))


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def only_named(validator, properties, instance, schema):
    yield from jsonschema.Draft4Validator.VALIDATORS["properties"](validator, properties, instance, schema)
    if isinstance(instance, dict) and not {"additionalProperties", "patternProperties"} & schema.keys():
        for name in sorted(instance.keys() - properties.keys()):
            yield jsonschema.ValidationError(f"the specification has no {name!r} here")


Closed = jsonschema.validators.extend(jsonschema.Draft4Validator, {"properties": only_named})


def validator(specification, schema, kind=jsonschema.Draft4Validator):
    folder = os.path.join(SCHEMAS, specification, "schema")
    resolver = Beside(folder, schema)
    return kind(resolver.referrer, resolver=resolver, format_checker=formats)


def faults(judge, document):
    for error in sorted(judge.iter_errors(document), key=lambda e: list(map(str, e.absolute_path))):
        yield f"{'/'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message[:300]}"


def configs(paths, counts):
    judge = validator("runtime-spec", "config-schema.json", Closed)
    for path in paths:
        counts["config.json"] += 1
        yield from (f"{path}: {fault}" for fault in faults(judge, load(path)))


def layout(path, counts):
    """A layout's documents, each once, from oci-layout on."""
    if os.path.isdir(path):
        read = lambda name: open(os.path.join(path, name), "rb").read()
        there = lambda name: os.path.exists(os.path.join(path, name))
    else:
        archive = tarfile.open(path)
        names = set(archive.getnames())
        read = lambda name: archive.extractfile(name).read()
        there = names.__contains__
    judges = {name: validator("image-spec", schema) for name, schema in [("oci-layout", "image-layout-schema.json"), *DOCUMENTS.values()]}

    def judge(kind, name):
        counts[kind] += 1
        document = json.loads(read(name))
        return document, [f"{path}: {kind} {name}: {fault}" for fault in faults(judges[kind], document)]

    yield from judge("oci-layout", "oci-layout")[1]
    waiting, seen = [("index", "index.json", "")], set()
    while waiting:
        kind, name, promised = waiting.pop()
        document, wrong = judge(kind, name)
        yield from wrong
        if promised and document.get("mediaType", promised) != promised:
            yield f"{path}: {kind} {name}: its mediaType is {document['mediaType']}, and {promised} where it is listed"
        below = document.get("manifests", []) if kind == "index" else [document.get("config", {})] if kind == "manifest" else []
        for descriptor in below:
            blob = "blobs/" + str(descriptor.get("digest")).replace(":", "/")
            if descriptor.get("mediaType") in DOCUMENTS and blob not in seen and there(blob):
                seen.add(blob)
                waiting.append((DOCUMENTS[descriptor["mediaType"]][0], blob, descriptor["mediaType"]))


def main() -> int:
    what, paths = sys.argv[1], sys.argv[2:]
    counts = collections.Counter()
    wrong = list(configs(paths, counts)) if what == "config" else [fault for path in paths for fault in layout(path, counts)]
    print("\n".join(wrong) or ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())))
    return 1 if wrong or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
