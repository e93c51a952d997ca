#!/bin/sh
# The services of services.csv (name,owner), as a connector of the kind `process`.
set -eu
read -r start # {"cursor": …, "scopes": […]}: where it stopped
echo '{"begin": "services"}'
tail -n +2 services.csv | while IFS=, read -r name owner; do
  spec='{"type": "service", "lifecycle": "production", "owner": "'$owner'"}'
  echo '{"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "'$name'"}, "spec": '$spec'}'
done
echo '{"end": "services"}'
