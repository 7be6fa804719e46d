"""Checks JSON files against a schema: check_schema.py SCHEMA FILE..."""
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
failed = False
for name in sys.argv[2:]:
    for error in validator.iter_errors(json.load(open(name))):
        print(f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}", file=sys.stderr)
        failed = True
sys.exit(failed)
