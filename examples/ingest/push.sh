#!/bin/sh
# Hands in the services of services.csv (name,owner): push.sh http://127.0.0.1:7007 team-b
set -eu
tail -n +2 services.csv | while IFS=, read -r name owner; do
  spec='{"type": "service", "lifecycle": "production", "owner": "'$owner'"}'
  echo '{"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "'$name'"}, "spec": '$spec'}'
done | curl --silent --show-error --fail-with-body --data-binary @- \
  --header "Authorization: Bearer $ANNALS_TOKEN" "$1/api/ingest/$2"
