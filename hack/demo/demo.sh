#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tells in six scenes what the operator and its receiver do, and ends with an error where something is not as it should be. Every command
# that is shown is the one that is run, and its output is real; only Cloudinary is simulated. What is longer than
# a screen takes, and what is checked without being shown, is in .local/demo.txt.
#
# It runs on an empty cluster of its own, and stops it at the end. Where make demo-up has started one, it runs on that
# one, which must hold no endpoints and triggers, and leaves it as it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=hack/demo/lib.sh
. hack/demo/lib.sh
# shellcheck source=hack/demo/story.sh
. hack/demo/story.sh

# triggers PATH [--without-ids] prints the triggers that the simulator shows there: admin_api is what Cloudinary has,
# control_api the same without being counted as a call, for questions that are asked often.
admin_api=v1_1/demo/triggers
control_api=_sim/triggers
# The part of an address that nobody can guess is another one in each demo, and left out.
triggers() {
  local path="$1"
  shift
  curl -sS -u "$sim_key:$sim_secret" "$CLOUDINARY_SIM_URL/$path" | bin/show-triggers "$@" |
    sed -E 's#(/v1/notifications/[^/]+/[^/]+)/[0-9a-f]{32}$#\1#'
}

# trigger_id EVENT_TYPE prints the id of the one trigger of that event type.
trigger_id() { triggers "$control_api" | awk -v type="$1" '$1 == type { print $2 }'; }

# expect_triggers WHAT EXPECTED compares what Cloudinary has with what it should have, and shows the difference.
expect_triggers() {
  local difference
  difference=$(diff <(printf '%s\n' "$2") <(triggers "$admin_api" --without-ids)) && return 0
  printf '%s\n' "$difference" >&2
  die "$1 (< expected, > found)"
}

# become WHAT COMMAND waits until a command succeeds.
become() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    eval "$2" >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  die "$1: not within a minute"
}

# condition OBJECT prints reason and message of its condition Ready.
condition() {
  kubectl get -n shop "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].reason}: {.status.conditions[?(@.type=="Ready")].message}'
}

# received prints how many notifications the Service has that verified from the bytes it got.
received() { curl -s "$TARGET_URL/received" | grep -c 'signature verified' || true; }

# answered STATE TEXT says whether a notification of that state was answered so.
answered() { curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries?state=$1" | bin/show-deliveries --short | grep -e "-> $2" >/dev/null; }

# shoe VERSION prints a notification about one version of the asset shop/shoe, for the simulated Cloudinary.
shoe() {
  printf '{"event_type":"upload","payload":{"notification_type":"upload","resource_type":"image","type":"upload","public_id":"shop/shoe","version":%d}}' "$1"
}

# stored COUNT waits until so many notifications were answered 200: what is sent at once has no order.
stored() {
  become "notification $1 was answered 200" '[ "$(curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries?state=delivered" | bin/show-deliveries --short | wc -l)" -ge '"$1"' ]'
}

forget_deliveries() { curl -sS -X DELETE "$CLOUDINARY_SIM_URL/_sim/deliveries" >/dev/null; }

finish() {
  local code=$?
  trap - EXIT
  if [ "$code" -ne 0 ]; then
    printf '\ndemo: failed. The end of the manager'\''s log, %s:\n' "$demo_dir/log/manager.log" >&2
    tail -n 30 "$demo_dir/log/manager.log" >&2 || true
    printf '\nand of the receiver'\''s:\n' >&2
    tail -n 30 "$demo_dir/log/receiver.log" >&2 || true
  fi
  if [ -z "$was_up" ]; then
    stop_all || code=1
  elif [ -n "$applied" ]; then
    clean_up || code=1
  fi
  exit "$code"
}

stop_all() {
  hack/demo/down.sh 2>"$demo_dir/down.log" && return 0
  cat "$demo_dir/down.log" >&2
  return 1
}

# Whatever the walk-through has left where somebody's demo goes on running.
clean_up() {
  kubectl delete --ignore-not-found --timeout=60s -f hack/demo/unknown-endpoint.yaml -f config/samples/cloudinarytrigger.yaml \
    -f config/samples/notificationendpoint.yaml -f config/samples/service.yaml >/dev/null
}

start() {
  if [ -z "$was_up" ] && [ -e "$demo_dir/pids" ]; then
    # What an interrupted run has left would be taken for this one's.
    stop_all
    rm -rf "$demo_dir/etcd" "$demo_dir/receiver"
  fi
  DEMO_QUIET=yes hack/demo/up.sh
  # shellcheck disable=SC1091 # Written by the line above.
  . "$demo_dir/demo.env"
  [ -z "$(kubectl get cldt,nep --all-namespaces -o name)" ] ||
    die "the cluster of make demo-up holds endpoints or triggers already: delete those, or run make demo-down first"
  [ "$(triggers "$control_api")" = "$none" ] ||
    die "the Cloudinary of make demo-up holds triggers already: delete those, or run make demo-down first"
  curl -sS -X DELETE "$TARGET_URL/received"
  forget_deliveries
}

declare_triggers() {
  scene 'Triggers are manifests' \
    'Triggers that are clicked together in a Console drift, and nobody knows who made them. Here they are in Git; the operator makes Cloudinary equal to them.'
  check 'kubectl cloudinary plan -k config/samples --receiver-base-url=https://hooks.example.com --allow-insecure-api-base --allowed-api-bases="$CLOUDINARY_SIM_URL"'
  applied=yes
  show 'kubectl apply --server-side -k config/samples' 2
  check 'kubectl wait --for=condition=Ready --timeout=60s -n shop nep/media nep/moderation-desk cldt/uploads cldt/images cldt/moderation'
  check 'kubectl wait --for=condition=Ready --timeout=60s -n catalog cldt/renames'
  # One of them only observes: it says what Cloudinary lacks, and writes nothing.
  check "kubectl wait --for=jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason}'=Drifted --timeout=60s -n shop cldt/deletions"
  show 'curl -s "$CLOUDINARY_SIM_URL/_sim/triggers" | bin/show-triggers --short' 8
  expect_triggers "Cloudinary does not have the triggers of config/samples" "$wanted"
  media_url=$(kubectl get -n shop nep/media -o jsonpath='{.status.url}')
  [[ "$media_url" =~ ^https://hooks\.example\.com/v1/notifications/shop/media/[0-9a-f]{32}$ ]] || die "the address is $media_url"
  misspell
}

# A manifest that cannot be honored says why, and touches nothing.
misspell() {
  check 'kubectl apply --server-side -f hack/demo/unknown-endpoint.yaml'
  check "kubectl wait --for=jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason}'=EndpointNotFound --timeout=60s -n shop cldt/misspelt"
  check 'kubectl get -n shop cldt/misspelt -o wide'
  [[ "$(condition cldt/misspelt)" == *medai* ]] || die "the message does not name the endpoint: $(condition cldt/misspelt)"
  expect_triggers "a manifest that was not accepted changed something at Cloudinary" "$wanted"
  check 'kubectl delete --timeout=60s -f hack/demo/unknown-endpoint.yaml'
}

repair() {
  local again
  scene 'Somebody meddles, and it is repaired' \
    'A deleted trigger loses events, and no error tells of it. The operator compares once a minute, here every 5 s, and repairs what differs.'
  tags=$(trigger_id resource_tags_changed)
  upload=$(trigger_id upload)
  # shellcheck disable=SC2034 # A command that is shown reads it.
  login="$sim_key:$sim_secret"
  show 'curl -s -f -u "$login" -X DELETE \
    "$CLOUDINARY_SIM_URL/v1_1/demo/triggers/$upload"'
  check "curl -s -f -u \"\$login\" -X PUT -H 'Content-Type: application/json' -d '{\"new_uri\": \"$media_url\", \"additive\": false, \"filter\": {}}' \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers/\$tags\""
  show 'curl -s "$CLOUDINARY_SIM_URL/_sim/triggers" | bin/show-triggers --short |
    grep upload || echo "no trigger for upload"'
  become "what was changed and deleted at Cloudinary was repaired" '[ "$(triggers "$control_api" --without-ids)" = "$wanted" ]'
  check 'kubectl wait --for=condition=Ready --timeout=60s -n shop cldt/uploads cldt/images'
  show 'curl -s "$CLOUDINARY_SIM_URL/_sim/triggers" | bin/show-triggers --short |
    grep upload'
  expect_triggers "what was changed at Cloudinary was not repaired" "$wanted"
  [ "$(trigger_id resource_tags_changed)" = "$tags" ] || die "the changed trigger was replaced, and not changed back in place"
  again=$(trigger_id upload)
  if [ -z "$again" ] || [ "$again" = "$upload" ]; then
    die "the deleted trigger was not created anew"
  fi
  become "the status of the CloudinaryTrigger uploads holds the id $again" \
    "[ \"\$(kubectl get -n shop cldt uploads -o jsonpath='{.status.registrations[*].triggers[*].id}')\" = $again ]"
}

deliver() {
  scene 'An upload arrives at a Service' \
    'The receiver proves that Cloudinary sent it, stores it, answers 200, and delivers it to the Service. kubectl shows what happened.'
  show "curl -s \"\$CLOUDINARY_SIM_URL/_sim/notify\" -d '{\"event_type\":\"upload\"}'" 1
  stored 1
  show 'curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries" | bin/show-deliveries --short'
  become "the Service has the notification" '[ "$(received)" -eq 1 ]'
  show 'curl -s "$TARGET_URL/received"'
  become "kubectl shows the Event" 'kubectl get events -n shop | grep "Upload.*upload: image"'
  show 'kubectl get events -n shop | grep -o "cloudinarytrigger/uploads *upload:.*"'
  become "status shows the delivery" 'kubectl get -n shop cldt uploads -o jsonpath="{.status.lastNotification.deliveries[?(@.target==\"catalog\")].state}" | grep Delivered'
  check 'kubectl describe -n shop cldt/uploads'
  filter
  forget_deliveries
}

# A filter lets through what it is meant to: a changed tag of an image, and not that of a video.
filter() {
  local video
  check 'kubectl cloudinary preview -f config/samples/cloudinarytrigger.yaml --event-type=resource_tags_changed'
  check "curl -sS -f \"\$CLOUDINARY_SIM_URL/_sim/notify\" -d '{\"event_type\":\"resource_tags_changed\"}'"
  become "the trigger with the filter has fired" 'answered "delivered&event_type=resource_tags_changed" 200'
  become "the trigger tells of it" 'kubectl get -n shop cldt images -o jsonpath="{.status.lastNotification.eventType}" | grep resource_tags_changed'
  video='{"event_type":"resource_tags_changed","payload":{"notification_type":"resource_tags_changed","resources":[{"public_id":"clip","resource_type":"video"}]}}'
  check "curl -sS -f \"\$CLOUDINARY_SIM_URL/_sim/notify\" -d '$video'"
  grep -q '"fired":\[\]' "$output" || die "the filter let a video through"
  [ "$(received)" -eq 1 ] || die "the Service has a notification of an event type that it did not ask for"
}

forge() {
  scene 'A forged request is refused' \
    'The address is public, so anybody can post to it. Only what is signed with your API secret is let in, and strangers are not told why.'
  show "curl -s \"\$CLOUDINARY_SIM_URL/_sim/notify\" \\
    -d '{\"event_type\":\"upload\",\"signing\":{\"api_secret\":\"guessed\"}}'" 1
  become "the forged request was refused" 'answered retrying "401 unauthorized"'
  show 'curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries" | bin/show-deliveries --short'
  show 'curl -s "$TARGET_URL/received"   # the real one, and no other'
  [ "$(received)" -eq 1 ] || die "the Service has a notification that was forged"
  forget_deliveries
}

outage() {
  local found
  scene 'The Service is down, and nothing is lost' \
    'Cloudinary gives up after three retries, within 9 or 18 minutes. The receiver has answered 200, keeps trying for 72 hours, and keeps the order of each asset.'
  show "bin/localcluster --dir $demo_dir stop target"
  show 'for v in 1 2 3; do
    curl -s "$CLOUDINARY_SIM_URL/_sim/notify" -d "$(shoe $v)"; stored $v; done' 0
  check "kubectl wait --for=jsonpath='{.status.conditions[?(@.type==\"Delivering\")].reason}'=TargetFailing --timeout=60s -n shop nep/media"
  show "kubectl get -n shop nep/media -o \\
    jsonpath='{.status.conditions[?(@.type==\"Delivering\")].message}' | fold -s"
  show 'hack/demo/up.sh   # starts the Service again' 0
  become "the Service has what was sent while it was down" '[ "$(received)" -eq 3 ]'
  show 'curl -s "$TARGET_URL/received"'
  found=$(grep -o 'version [0-9]*' "$output" | tr '\n' ' ')
  [ "$found" = "version 1 version 2 version 3 " ] || die "the Service has not versions 1, 2 and 3 in this order: $found"
  check "kubectl wait --for=condition=Delivering --timeout=60s -n shop nep/media"
  plugin
}

# The plugin sends a signed sample around Cloudinary, and shows how all is; kubectl describe names what is at Cloudinary.
plugin() {
  check 'kubectl cloudinary send media -n shop --event-type=upload --url="$RECEIVER_URL" --wait --receiver-admin-url="$RECEIVER_ADMIN_URL"'
  check 'kubectl cloudinary status --all-namespaces'
  check 'kubectl describe -n shop cldt/images'
  if ! grep -q "$(trigger_id resource_tags_changed)" "$output" || ! grep -qF "$media_url" "$output"; then
    die "kubectl describe does not show the trigger's id and URL"
  fi
}

remove() {
  scene 'The manifests go, and so do the triggers' \
    'A trigger that is left behind calls a dead address for ever. Each object goes only once its triggers at Cloudinary are gone.'
  show 'kubectl delete --timeout=60s -f config/samples/cloudinarytrigger.yaml \
    -f config/samples/notificationendpoint.yaml' 3
  show 'curl -s "$CLOUDINARY_SIM_URL/_sim/triggers" | bin/show-triggers'
  expect_triggers "something is left at Cloudinary" "$none"
  check 'curl -s "$CLOUDINARY_SIM_URL/_sim/calls"'
  # The demo has no kube-controller-manager; a namespace goes nevertheless, with what is in it.
  check 'kubectl create namespace demo-empty && kubectl create configmap -n demo-empty something'
  check 'kubectl delete --timeout=60s namespace demo-empty'
}

none="no triggers"
media_url= # known once the manager has computed it
wanted=$(cat hack/demo/expected.txt)
applied=
was_up=
begin=$SECONDS

if [ -e "$demo_dir/demo.env" ] && [ -x bin/localcluster ] && localcluster status >/dev/null 2>&1; then
  was_up=yes
fi
trap finish EXIT
trap 'exit 130' INT TERM

start
begin_story
declare_triggers
repair
deliver
forge
outage
remove
end_story $((SECONDS - begin))
