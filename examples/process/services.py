"""The services of services.csv (name,owner), as a connector of the kind `process`."""
import csv, json, sys

start = json.loads(sys.stdin.readline())  # {"cursor": …, "scopes": […]}: where it stopped
print(json.dumps({"begin": "services"}))
for row in csv.DictReader(open("services.csv")):
    spec = {"type": "service", "lifecycle": "production", "owner": row["owner"]}
    print(json.dumps({"apiVersion": "backstage.io/v1alpha1", "kind": "Component",
                      "metadata": {"name": row["name"]}, "spec": spec}))
print(json.dumps({"end": "services"}))
