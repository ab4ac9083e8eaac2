#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Walks through the main job, and ends with an error where a step is not as it should be: manifests are applied, and
# Cloudinary has the triggers; they are changed behind the operator's back, and are repaired; manifests are deleted, and so
# are the triggers. Every command that is shown is the one that is run, and its output is real. Cloudinary is simulated.
#
# It runs on an empty cluster of its own, and stops it at the end. Where make demo-up has started one, it runs on that
# one, which must hold no endpoints and triggers, and leaves it as it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=hack/demo/lib.sh
. hack/demo/lib.sh

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# shown COMMAND prints a command line and runs it.
shown() {
  printf '\n$ %s\n' "$1"
  eval "$1"
}

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

# become_triggers WHAT EXPECTED waits until Cloudinary has what it should have.
become_triggers() {
  local tries
  for ((tries = 0; tries < 150; tries++)); do
    [ "$(triggers "$control_api" --without-ids)" != "$2" ] || return 0
    sleep 0.2
  done
  expect_triggers "$1" "$2"
}

# condition OBJECT prints reason and message of its condition Ready.
condition() {
  kubectl get -n shop "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].reason}: {.status.conditions[?(@.type=="Ready")].message}'
}

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
    hack/demo/down.sh || code=1
  elif [ -n "$applied" ]; then
    clean_up || code=1
  fi
  exit "$code"
}

# Whatever the walk-through has left where somebody's demo goes on running.
clean_up() {
  kubectl delete --ignore-not-found --timeout=60s -f hack/demo/unknown-endpoint.yaml -f config/samples/cloudinarytrigger.yaml \
    -f config/samples/notificationendpoint.yaml -f config/samples/service.yaml >/dev/null
  [ -n "$had_catalog" ] || kubectl delete --ignore-not-found --timeout=60s namespace catalog >/dev/null
}

start() {
  step "A Kubernetes control plane, a simulated Cloudinary, manager and receiver"
  if [ -z "$was_up" ] && [ -e "$demo_dir/pids" ]; then
    # What an interrupted run has left would be taken for this one's.
    localcluster down
    rm -rf "$demo_dir/etcd"
  fi
  hack/demo/up.sh
  # shellcheck disable=SC1091 # Written by the line above.
  . "$demo_dir/demo.env"
  [ -z "$(kubectl get cldt,nep --all-namespaces -o name)" ] ||
    die "the cluster of make demo-up holds endpoints or triggers already: delete those, or run make demo-down first"
  [ "$(triggers "$control_api")" = "$none" ] ||
    die "the Cloudinary of make demo-up holds triggers already: delete those, or run make demo-down first"
  had_catalog=$(kubectl get namespace catalog --ignore-not-found -o name)
}

plan() {
  step "What manifests would do can be looked at before they are applied"
  shown 'kubectl cloudinary plan -k config/samples --receiver-base-url=https://hooks.example.com --allow-insecure-api-base --allowed-api-bases="$CLOUDINARY_SIM_URL"'
}

apply_samples() {
  step "Manifests say which notifications go where"
  applied=yes
  shown 'kubectl apply --server-side -k config/samples'
  shown 'kubectl wait --for=condition=Ready --timeout=60s -n shop nep/media nep/moderation-desk cldt/uploads cldt/images cldt/moderation'
  shown 'kubectl wait --for=condition=Ready --timeout=60s -n catalog cldt/renames'

  step "One of them only observes: it says what Cloudinary lacks, and writes nothing"
  shown "kubectl wait --for=jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason}'=Drifted --timeout=60s -n shop cldt/deletions"
  shown 'kubectl get cldt,nep --all-namespaces'

  step "Cloudinary has the triggers"
  shown "curl -s -u $sim_key:$sim_secret \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers\" | bin/show-triggers"
  expect_triggers "Cloudinary does not have the triggers of config/samples" "$wanted"

  step "The address of the receiver's endpoint ends with what nobody can guess"
  shown "kubectl get -n shop nep/media -o jsonpath='{.status.url}{\"\\n\"}'"
  media_url=$(kubectl get -n shop nep/media -o jsonpath='{.status.url}')
  [[ "$media_url" =~ ^https://hooks\.example\.com/v1/notifications/shop/media/[0-9a-f]{32}$ ]] || die "the address is $media_url"
}

repair() {
  local changed deleted again
  changed=$(trigger_id resource_tags_changed)
  deleted=$(trigger_id upload)
  step "Somebody changes one trigger and deletes another, behind the operator's back"
  shown "curl -s --fail-with-body -u $sim_key:$sim_secret -X PUT -H 'Content-Type: application/json' \\
    -d '{\"new_uri\": \"$media_url\", \"additive\": false, \"filter\": {}}' \\
    \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers/$changed\""
  shown "curl -s --fail-with-body -u $sim_key:$sim_secret -X DELETE \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers/$deleted\""
  shown "curl -s -u $sim_key:$sim_secret \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers\" | bin/show-triggers"

  step "Within the sync interval, here 5 s, both are as the manifests say"
  become_triggers "what was changed and deleted at Cloudinary was not repaired within 30 s" "$wanted"
  shown 'kubectl wait --for=condition=Ready --timeout=60s -n shop cldt/uploads cldt/images'
  shown "curl -s -u $sim_key:$sim_secret \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers\" | bin/show-triggers"
  [ "$(trigger_id resource_tags_changed)" = "$changed" ] || die "the changed trigger was replaced, and not changed back in place"
  again=$(trigger_id upload)
  if [ -z "$again" ] || [ "$again" = "$deleted" ]; then
    die "the deleted trigger was not created anew"
  fi
  become_recorded uploads "$again"
}

# become_recorded TRIGGER ID waits until the object's status holds the id at Cloudinary.
become_recorded() {
  local tries
  for ((tries = 0; tries < 150; tries++)); do
    [[ "$(kubectl get -n shop cldt "$1" -o jsonpath='{.status.registrations[*].triggers[*].id}')" != "$2" ]] || return 0
    sleep 0.2
  done
  die "the status of the CloudinaryTrigger $1 does not hold the id $2"
}

# become WHAT COMMAND waits until a command succeeds.
become() {
  local tries
  for ((tries = 0; tries < 150; tries++)); do
    eval "$2" >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  die "$1: not within 30 s"
}

# received prints how many notifications the target has that verified from the bytes it got.
received() { curl -s "$TARGET_URL/received" | grep -c '"verified":true' || true; }

notify='curl -sS --fail-with-body -X POST "$CLOUDINARY_SIM_URL/_sim/notify" -d'

deliver() {
  local text video
  curl -sS -X DELETE "$CLOUDINARY_SIM_URL/_sim/deliveries" >/dev/null
  step "An image is uploaded: Cloudinary sends a signed request, and the receiver answers 200 once it is stored"
  shown "$notify '{\"event_type\": \"upload\"}'"
  become "the notification was answered 200" 'curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries?state=delivered" | bin/show-deliveries'
  shown 'curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries" | bin/show-deliveries'

  step "The Service has it, and has verified it again from the bytes it got"
  become "the target has the notification" '[ "$(received)" -eq 1 ]'
  shown 'curl -s "$TARGET_URL/received"'

  step "kubectl describe tells of it"
  become "kubectl describe shows the Event" 'kubectl describe -n shop cldt/uploads | grep "uploaded\|sample"'
  become "status shows the delivery" 'kubectl get -n shop cldt uploads -o jsonpath="{.status.lastNotification.deliveries[?(@.target==\"catalog\")].state}" | grep Delivered'
  shown 'kubectl describe -n shop cldt/uploads'

  step "A forged request is refused. Strangers are not told why: the endpoint's status has it within a minute"
  shown "$notify '{\"event_type\": \"upload\", \"signing\": {\"api_secret\": \"guessed\"}}'"
  become "the forged request was refused" 'curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries?state=retrying" | bin/show-deliveries | grep "401 unauthorized"'
  text=$(curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries?state=retrying" | bin/show-deliveries)
  printf '%s\n' "$text"
  curl -sS -X DELETE "$CLOUDINARY_SIM_URL/_sim/deliveries" >/dev/null
  [ "$(received)" -eq 1 ] || die "the target has a notification that was forged"

  step "A target that is down gets its notification once it is back"
  shown 'bin/localcluster --dir "$demo_dir" stop target'
  shown "$notify '{\"event_type\": \"upload\"}'"
  shown "kubectl wait --for=jsonpath='{.status.conditions[?(@.type==\"Delivering\")].reason}'=TargetFailing --timeout=60s -n shop nep/media"
  shown "kubectl get -n shop nep/media -o jsonpath='{.status.conditions[?(@.type==\"Delivering\")].message}{\"\\n\"}'"
  say "starting the target again"
  hack/demo/up.sh 2>/dev/null
  become "the target has what was sent while it was down" '[ "$(received)" -eq 1 ]'
  shown 'curl -s "$TARGET_URL/received"'
  shown "kubectl wait --for=condition=Delivering --timeout=60s -n shop nep/media"

  step "A filter lets through what it is meant to: a changed tag of an image, and not that of a video"
  shown 'kubectl cloudinary preview -f config/samples/cloudinarytrigger.yaml --event-type=resource_tags_changed | sed -n "/shop\/images/,/Fires/p"'
  shown "$notify '{\"event_type\": \"resource_tags_changed\"}'"
  become "the trigger with the filter has fired" 'curl -s "$CLOUDINARY_SIM_URL/_sim/deliveries?state=delivered" | bin/show-deliveries | grep resource_tags_changed'
  become "the trigger tells of it" 'kubectl get -n shop cldt images -o jsonpath="{.status.lastNotification.eventType}" | grep resource_tags_changed'
  shown "kubectl get -n shop cldt/images -o jsonpath='{.status.lastNotification}{\"\n\"}'"
  video='{"event_type": "resource_tags_changed", "payload": {"notification_type": "resource_tags_changed", "resources": [{"public_id": "clip", "resource_type": "video"}]}}'
  text=$(eval "$notify '$video'")
  printf '%s\n' "$text"
  [[ "$text" == *'"fired":[]'* ]] || die "the filter let a video through"

  step "The plugin sends a signed sample of any event type around Cloudinary and its filters, and shows how all is"
  shown 'kubectl cloudinary send media -n shop --event-type=upload --url="$RECEIVER_URL" --wait --receiver-admin-url="$RECEIVER_ADMIN_URL"'
  shown 'kubectl cloudinary status --all-namespaces'
}

refuse() {
  step "A manifest that cannot be honored says why, and touches nothing"
  shown 'kubectl apply --server-side -f hack/demo/unknown-endpoint.yaml'
  shown "kubectl wait --for=jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason}'=EndpointNotFound --timeout=60s -n shop cldt/misspelt"
  shown 'kubectl get -n shop cldt/misspelt -o wide'
  [[ "$(condition cldt/misspelt)" == *medai* ]] || die "the message does not name the endpoint: $(condition cldt/misspelt)"
  expect_triggers "a manifest that was not accepted changed something at Cloudinary" "$wanted"
  shown 'kubectl delete --timeout=60s -f hack/demo/unknown-endpoint.yaml'
}

describe() {
  local text
  step "What kubectl describe shows"
  shown 'kubectl describe -n shop cldt/images'
  text=$(kubectl describe -n shop cldt/images)
  [[ "$text" == *"$(trigger_id resource_tags_changed)"* && "$text" == *"$media_url"* ]] ||
    die "kubectl describe does not show the trigger's id and URL"
}

delete() {
  step "The manifests go, and so do the triggers"
  shown 'kubectl delete --timeout=60s -f config/samples/cloudinarytrigger.yaml -f config/samples/notificationendpoint.yaml'
  shown "curl -s -u $sim_key:$sim_secret \"\$CLOUDINARY_SIM_URL/v1_1/demo/triggers\""
  expect_triggers "something is left at Cloudinary" "$none"

  step "The calls that Cloudinary counted, those of this script among them"
  shown "curl -s \"\$CLOUDINARY_SIM_URL/_sim/calls\""
}

none="no triggers"
media_url= # known once the manager has computed it
wanted=$(cat hack/demo/expected.txt)
applied=
had_catalog=
was_up=
begin=$SECONDS

build localcluster ./hack/localcluster
if [ -e "$demo_dir/demo.env" ] && localcluster status >/dev/null 2>&1; then
  was_up=yes
fi
trap finish EXIT
trap 'exit 130' INT TERM

start
plan
apply_samples
repair
deliver
refuse
describe
delete
step "Everything was as it should be (after $((SECONDS - begin)) s)"
