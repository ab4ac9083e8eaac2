// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/statusapply"
)

// customizations is laid out as Argo CD's own folder of that name. Its test data is what the operator writes; test/gitops/kstatus reads it, too.
const customizations = "../../config/argocd/resource_customizations"

// state brings an object into a state that occurs.
type state struct {
	file string
	// simulated and options differ from the defaults in some states.
	simulated simulator.Options
	urlLimit  int
	// make returns the object; its status is as the manager and, where it says so, the receiver have written it.
	make func(*stage) client.Object
}

func TestTheHealthChecksAreTestedOnWhatTheOperatorWrites(t *testing.T) {
	states := triggerStates()
	maps.Copy(states, endpointStates())
	used := map[string]bool{}
	for name, c := range states {
		used[c.file] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, c.simulated)
			if c.urlLimit > 0 {
				s.options.URLLimit = c.urlLimit
			}
			golden(t, filepath.Join(customizations, v1alpha1.GroupVersion.Group, c.file), s.recorded(c.make(s)))
		})
	}
	var files []string
	for _, folder := range []string{"testdata", filepath.Join("actions", "testdata")} {
		found, err := filepath.Glob(filepath.Join(customizations, "*", "*", folder, "*.yaml"))
		if err != nil || len(found) == 0 {
			t.Fatalf("there is no test data in %s: %v", folder, err)
		}
		// What comes of an action is no state: the action's own test holds it.
		files = append(files, slices.DeleteFunc(found, func(name string) bool { return strings.HasSuffix(name, "_redriven.yaml") })...)
	}
	for _, file := range files {
		name, err := filepath.Rel(filepath.Join(customizations, v1alpha1.GroupVersion.Group), file)
		if err != nil {
			t.Fatal(err)
		}
		if !used[filepath.ToSlash(name)] {
			t.Errorf("%s is nothing that the operator was seen to write", name)
		}
	}
}

func triggerStates() map[string]state {
	const folder = "CloudinaryTrigger/testdata/"
	return map[string]state{
		"a trigger that no manager has seen": {file: folder + "progressing_unobserved.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(images)
			return images
		}},
		"a trigger that Cloudinary has": {file: folder + "healthy.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.ready(images)
			return images
		}},
		"a trigger whose new spec no manager has seen": {file: folder + "progressing_staleGeneration.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(s.secret(), s.endpoint(), images)
			stop := s.start()
			s.ready(images)
			stop()
			images.Spec.EventTypes = append(images.Spec.EventTypes, "delete")
			s.must(cluster.Client.Update(s.Context(), images))
			return images
		}},
		"a trigger that is there before its endpoint": {file: folder + "progressing_endpointNotFound.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(images)
			s.start()
			s.becomes(images, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonEndpointNotFound)
			return images
		}},
		"a trigger that is there before its Secret": {file: folder + "progressing_secretNotFound.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
			return images
		}},
		"a trigger that cannot be written since Cloudinary is away": {file: folder + "progressing_unavailable.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.must(s.sim.AddFault(simulator.Fault{Count: 1000, Method: http.MethodPost, Status: http.StatusServiceUnavailable}))
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnavailable)
			return images
		}},
		"a trigger whose filter is none": {file: folder + "degraded_invalidFilter.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			images.Spec.Filter = &runtime.RawExtension{Raw: []byte(`{"equals": [1, 2]}`)}
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidFilter)
			return images
		}},
		"a trigger that another one is in the way of": {file: folder + "degraded_conflict.yaml", make: func(s *stage) client.Object {
			older, images := s.trigger("a-uploads"), s.trigger("images")
			s.create(s.secret(), s.endpoint(), older)
			s.start()
			s.ready(older)
			s.create(images)
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonConflict)
			return images
		}},
		"a trigger for whose URL there is no room": {file: folder + "degraded_urlLimitReached.yaml", urlLimit: 1, make: func(s *stage) client.Object {
			s.foreign("upload", "https://somebody.example.org/else")
			images := s.trigger("images")
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonURLLimitReached)
			return images
		}},
		"a trigger whose credentials are refused": {file: folder + "degraded_credentialsRejected.yaml", make: func(s *stage) client.Object {
			images, secret := s.trigger("images"), s.secret()
			secret.Data["CLOUDINARY_URL"] = []byte(s.cloudinaryURL("wrong"))
			s.create(secret, s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonCredentialsRejected)
			return images
		}},
		"a trigger that is only observed, and differs": {file: folder + "suspended_drifted.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			images.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonDrifted)
			return images
		}},
		"a trigger that is only observed, and is so at Cloudinary": {file: folder + "healthy_observed.yaml", make: func(s *stage) client.Object {
			s.foreign("upload", hook)
			images := s.trigger("images")
			images.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.ready(images)
			return images
		}},
		"a trigger that is only observed, and whose filter is none": {file: folder + "degraded_observedInvalidFilter.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			images.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
			images.Spec.Filter = &runtime.RawExtension{Raw: []byte(`{"equals": [1, 2]}`)}
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidFilter)
			return images
		}},
		"a trigger that waits for Cloudinary to go": {file: folder + "terminating_unavailable.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(s.secret(), s.endpoint(), images)
			s.start()
			s.ready(images)
			s.must(s.sim.AddFault(simulator.Fault{Count: 1000, Method: http.MethodDelete, Status: http.StatusServiceUnavailable}))
			s.delete(images)
			s.becomes(images, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonUnavailable)
			return images
		}},
		"a trigger that waits for credentials to go": {file: folder + "terminating_credentialsRejected.yaml", make: func(s *stage) client.Object {
			images := s.trigger("images")
			s.create(s.secret(), s.endpoint(), images)
			stop := s.start()
			s.ready(images)
			stop() // The next one begins with a list, so that it is always the same call that fails.
			s.must(s.sim.AddFault(simulator.Fault{Count: 1000, Status: http.StatusUnauthorized}))
			s.delete(images)
			s.start()
			s.becomes(images, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonCredentialsRejected)
			return images
		}},
	}
}

func endpointStates() map[string]state {
	const folder, actions = "NotificationEndpoint/testdata/", "NotificationEndpoint/actions/testdata/"
	target := func(name string, waiting, dead int64) v1alpha1.TargetStatus {
		return v1alpha1.TargetStatus{Name: name, Delivered: new(int64(7)), Waiting: &waiting, DeadLetters: &dead}
	}
	return map[string]state{
		"an endpoint that no manager has seen": {file: folder + "progressing_unobserved.yaml", make: func(s *stage) client.Object {
			media := s.endpoint()
			s.create(media)
			return media
		}},
		"an endpoint that is there before its Secret": {file: folder + "progressing_secretNotFound.yaml", make: func(s *stage) client.Object {
			media := s.endpoint()
			s.create(media)
			s.start()
			s.becomes(media, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
			return media
		}},
		"an endpoint that works": {file: folder + "healthy.yaml", make: func(s *stage) client.Object {
			media := s.endpoint()
			s.create(s.secret(), media)
			s.start()
			s.ready(media)
			return media
		}},
		"an endpoint whose new spec no manager has seen": {file: folder + "progressing_staleGeneration.yaml", make: func(s *stage) client.Object {
			media := s.endpoint()
			s.create(s.secret(), media)
			stop := s.start()
			s.ready(media)
			stop()
			media.Spec.URL += "/elsewhere"
			s.must(cluster.Client.Update(s.Context(), media))
			return media
		}},
		"an endpoint whose Secret says nothing": {file: folder + "degraded_secretInvalid.yaml", make: func(s *stage) client.Object {
			media, secret := s.endpoint(), s.secret()
			secret.Data = nil
			s.create(secret, media)
			s.start()
			s.becomes(media, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretInvalid)
			return media
		}},
		"an endpoint whose credentials are refused": {file: folder + "degraded_credentialsRejected.yaml", make: func(s *stage) client.Object {
			media, secret := s.endpoint(), s.secret()
			secret.Data["CLOUDINARY_URL"] = []byte(s.cloudinaryURL("wrong"))
			s.create(secret, media)
			s.start()
			s.becomes(media, v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonCredentialsRejected)
			return media
		}},
		"an endpoint whose target fails": {file: folder + "healthy_targetFailing.yaml", make: func(s *stage) client.Object {
			return s.received(metav1.ConditionTrue, v1alpha1.ReasonVerified, "The most recent notification was verified.",
				v1alpha1.ReasonTargetFailing, "Deliveries fail to the target catalog: the Service answered 503. "+
					"They are tried again, ever less often, until spec.receiver.retry.maxAge.")
		}},
		"an endpoint that has dead letters and verifies nothing any more": {file: folder + "healthy_signaturesDoNotMatch.yaml", make: func(s *stage) client.Object {
			return s.received(metav1.ConditionUnknown, v1alpha1.ReasonSignaturesDoNotMatch, "No notification verifies any more. If Cloudinary sends them, "+
				"it signs with an API secret that is not in the Secret of spec.credentialsSecretRef: add it there as signing.<API_KEY>.",
				v1alpha1.ReasonDeadLetters, "Notifications were given up for the target catalog: answered 422. They are kept as dead letters and not "+
					"tried again. See them: kubectl cloudinary deadletters list media -n shop. Once the cause is gone, deliver them: kubectl cloudinary "+
					"deadletters redrive media -n shop, or give this object the annotation "+v1alpha1.AnnotationRedrive+" with a new value.")
		}},
		"an endpoint that has dead letters": {file: actions + "deadLetters.yaml", make: func(s *stage) client.Object {
			return s.received(metav1.ConditionTrue, v1alpha1.ReasonVerified, "The most recent notification was verified.",
				v1alpha1.ReasonDeadLetters, "Notifications were given up for the target catalog and are kept. Once the cause is gone, have them "+
					"delivered again by giving this object the annotation "+v1alpha1.AnnotationRedrive+" with any new value.", target("catalog", 0, 2))
		}},
		"an endpoint that has dead letters of one target while another one fails": {file: actions + "deadLettersBehindAFailure.yaml", make: func(s *stage) client.Object {
			return s.received(metav1.ConditionTrue, v1alpha1.ReasonVerified, "The most recent notification was verified.",
				v1alpha1.ReasonTargetFailing, "Deliveries fail to the target catalog: the Service answered 503. "+
					"They are tried again, ever less often, until spec.receiver.retry.maxAge.", target("catalog", 3, 0), target("search", 0, 1))
		}},
		"an endpoint that waits for its triggers to go": {file: folder + "terminating.yaml", make: func(s *stage) client.Object {
			media, images := s.endpoint(), s.trigger("images")
			s.create(s.secret(), media, images)
			s.start()
			s.ready(images)
			s.ready(media)
			s.must(s.sim.AddFault(simulator.Fault{Count: 1000, Method: http.MethodDelete, Status: http.StatusServiceUnavailable}))
			s.delete(media)
			s.becomes(media, v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonUnavailable)
			return media
		}},
	}
}

// foreign makes a trigger as somebody else would.
func (s *stage) foreign(eventType, url string) {
	s.Helper()
	body := `{"event_type": "` + eventType + `", "uri": "` + url + `"}`
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+"/v1_1/"+simulator.DefaultCloud+"/triggers", strings.NewReader(body))
	s.must(err)
	req.SetBasicAuth(simulator.DefaultAPIKey, simulator.DefaultAPISecret)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	s.must(err)
	s.must(answer.Body.Close())
	if answer.StatusCode != http.StatusCreated {
		s.Fatalf("a trigger for %s: %s", url, answer.Status)
	}
}

// received is an endpoint that the manager is content with, to which the receiver's conditions are added as the receiver adds them.
func (s *stage) received(verifying metav1.ConditionStatus, verifyingReason, verifyingMessage, deliveringReason, deliveringMessage string,
	targets ...v1alpha1.TargetStatus,
) client.Object {
	s.Helper()
	media := s.endpoint()
	media.Spec.URL, media.Spec.Receiver = "", &v1alpha1.ReceiverSpec{}
	s.create(s.secret(), media)
	s.start()
	s.ready(media)
	condition := func(conditionType string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: message,
			LastTransitionTime: metav1.Now(), ObservedGeneration: media.Generation,
		}
	}
	status := v1alpha1.NotificationEndpointStatus{Conditions: []metav1.Condition{
		condition(v1alpha1.ConditionVerifying, verifying, verifyingReason, verifyingMessage),
		condition(v1alpha1.ConditionDelivering, metav1.ConditionFalse, deliveringReason, deliveringMessage),
	}}
	if len(targets) > 0 {
		status.Receiver = &v1alpha1.ReceiverStatus{Targets: targets}
	}
	part := statusapply.Endpoint(&metav1.ObjectMeta{Namespace: media.Namespace, Name: media.Name}, status)
	s.must(cluster.Client.Status().Apply(s.Context(), part, client.FieldOwner(statusapply.Receiver), client.ForceOwnership))
	return media
}

var (
	anInstant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	anID      = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	aMemory   = regexp.MustCompile(`\bremembered: \S+`)
	aUID      = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)
)

// recorded is an object as the API server has it, with what differs from run to run replaced by what is equal in all.
func (s *stage) recorded(o client.Object) []byte {
	s.Helper()
	gvk, err := apiutil.GVKForObject(o, cluster.Scheme)
	s.must(err)
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(gvk)
	s.must(cluster.Client.Get(s.Context(), client.ObjectKeyFromObject(o), live))
	live.SetManagedFields(nil)
	live.SetResourceVersion("1")
	raw, err := yaml.Marshal(live.Object)
	s.must(err)
	text := strings.NewReplacer(s.namespaces[0], "shop", s.url, "https://api.cloudinary.com", strings.TrimPrefix(s.url, "http://"), "api.cloudinary.com").Replace(string(raw))
	text = anInstant.ReplaceAllString(text, "2026-01-01T00:00:00Z")
	text = aMemory.ReplaceAllString(text, "remembered: eyJ2IjoxfQ")
	text = aUID.ReplaceAllString(text, "00000000-0000-4000-8000-000000000001")
	return []byte(anID.ReplaceAllString(text, strings.Repeat("0", 32)))
}

// golden holds what was written to what a file has; with -update it writes the file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./test/gitops -update", err)
	}
	if diff := cmp.Diff(slices.Collect(strings.Lines(string(want))), slices.Collect(strings.Lines(string(got)))); diff != "" {
		t.Errorf("%s (-want +got):\n%s\nIf it is meant so: go test ./test/gitops -update, and see what the health checks make of it", path, diff)
	}
}
