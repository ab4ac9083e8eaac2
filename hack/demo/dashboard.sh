#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Draws docs/images/dashboard.svg: starts a demo of its own and a Prometheus that scrapes it, has the simulated Cloudinary send notifications
# for seven minutes, in which the Service is down for one of them and somebody forges requests, and asks Prometheus what the
# dashboard would ask. It ends with an error where a panel has no data. Prometheus is built the first time, in some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export DEMO_DIR=.local/dashboard
# shellcheck source=hack/demo/lib.sh
. hack/demo/lib.sh

minutes=7

finish() {
  local code=$?
  localcluster down >/dev/null 2>&1 || say "demo: could not stop what runs in $DEMO_DIR; hack/demo/down.sh does"
  exit "$code"
}

# scrape starts Prometheus. The manager's metrics are for those who may read them, as in a cluster.
scrape() {
  local account=cloudinary-operator-scraper
  kubectl create serviceaccount -n cloudinary-operator-system "$account"
  kubectl create clusterrolebinding "$account" --clusterrole=cloudinary-operator-metrics-reader \
    --serviceaccount="cloudinary-operator-system:$account"
  kubectl create token -n cloudinary-operator-system "$account" --audience=cloudinary-operator-metrics --duration=1h >"$DEMO_DIR/scraper.token"
  prometheus_url="http://127.0.0.1:$(localcluster port prometheus)"
  cat >"$DEMO_DIR/prometheus.yml" <<YAML
global: {scrape_interval: 5s}
scrape_configs:
- job_name: manager
  scheme: https
  honor_labels: true
  authorization: {credentials_file: scraper.token}
  tls_config: {insecure_skip_verify: true}
  static_configs: [{targets: ["127.0.0.1:$(localcluster port manager/metrics)"], labels: {pod: manager}}]
- job_name: receiver
  honor_labels: true
  static_configs: [{targets: ["127.0.0.1:$(localcluster port receiver/metrics)"], labels: {pod: receiver}}]
YAML
  localcluster run --name prometheus --ready "$prometheus_url/-/ready" -- \
    "$prometheus" "--config.file=$DEMO_DIR/prometheus.yml" "--storage.tsdb.path=$DEMO_DIR/prometheus" "--web.listen-address=${prometheus_url#http://}"
}

# notify EVENT_TYPE [MORE] has something happen at Cloudinary.
notify() { curl -sS -f -o /dev/null -d "{\"event_type\":\"$1\"${2:-}}" "$CLOUDINARY_SIM_URL/_sim/notify"; }

# traffic sends about one notification a second, and half as many in every other minute.
traffic() {
  local begin=$SECONDS now round=0 down=
  while now=$((SECONDS - begin)) && [ "$now" -lt $((minutes * 60)) ]; do
    round=$((round + 1))
    notify upload
    [ $((round % 3)) -ne 0 ] || notify resource_tags_changed
    [ $((round % 5)) -ne 0 ] || notify rename
    [ $((round % 11)) -ne 0 ] || notify access_control_changed
    [ $((round % 25)) -ne 0 ] || notify upload ',"signing":{"api_secret":"guessed"}'
    if [ -z "$down" ] && [ "$now" -ge 120 ]; then
      down=yes
      localcluster stop target
    elif [ "$down" = yes ] && [ "$now" -ge 180 ]; then
      down=over
      DEMO_QUIET=1 hack/demo/up.sh 2>/dev/null
    fi
    sleep "$((now % 120 < 60 ? 1 : 2))"
  done
}

trap finish EXIT
trap 'exit 130' INT TERM

hack/demo/down.sh     # what an earlier run may have left
rm -rf "${DEMO_DIR:?}" # Neither its objects nor its numbers are of this run.
prometheus=$(hack/promql/build.sh prometheus)
DEMO_QUIET=1 hack/demo/up.sh
set -a
# shellcheck source=/dev/null
. "$DEMO_DIR/demo.env"
set +a
scrape
kubectl apply --server-side -k config/samples
kubectl delete -n shop cldt/deletions # It observes a trigger that nobody has made, and so is not Ready.
kubectl wait --for=condition=Ready --timeout=60s -n shop cldt --all
sleep 30 # A rate needs some scrapes.
say "$minutes minutes of notifications"
traffic
go run ./hack/demo/dashboard --prometheus "$prometheus_url" --for "${minutes}m" --rate-interval 30s
