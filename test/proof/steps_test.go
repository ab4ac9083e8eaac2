// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// script is one thing that goes wrong in a run without any other trouble: what happens at the nth
// step, write or call.
type script struct {
	what  string
	nth   int
	fate  fate
	count int
	armed bool
	edits func(*run) // what somebody changes meanwhile, where nothing goes wrong
}

const (
	atStep  = "step"
	atWrite = "write to the API server"
	atCall  = "call to Cloudinary"
)

// next is what happens to the next of its kind.
func (s *script) next(what string) fate {
	if !s.armed || s.what != what {
		return arrives
	}
	s.count++
	if s.count == s.nth {
		return s.fate
	}
	return arrives
}

func (s *script) happened() bool { return s.count >= s.nth }

// scene is a state at rest, and what people do then.
type scene struct {
	before, then func(*run)
}

func scenes() map[string]scene {
	return map[string]scene{
		"a trigger is created": {
			func(r *run) { r.put() },
			func(r *run) { r.want("t1", "", "upload", "delete") },
		},
		"a trigger is renamed": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) {
				r.want("t2", "", "upload", "delete")
				r.api.delete(at(kindTrigger, "t1"))
			},
		},
		"two triggers swap their event types": {
			func(r *run) {
				r.put()
				r.want("t1", "", "upload", "eager")
				r.want("t2", "", "delete", "rename")
			},
			func(r *run) { r.rewrite("t1", "delete", "rename"); r.rewrite("t2", "upload", "eager") },
		},
		"an endpoint's URL changes": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) { r.redirect(urls[2]) },
		},
		"an endpoint names a Secret of another environment": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) { r.entrust("other") },
		},
		"a trigger's settings change": {
			func(r *run) { r.put(); r.want("t1", "", "upload") },
			func(r *run) { r.respec(func(s *v1alpha1.CloudinaryTriggerSpec) { s.Filter = raw(filters[2]) }) },
		},
		"foreign triggers are adopted, changed, and left behind": {
			func(r *run) {
				r.put()
				r.foreign(urls[0], "upload")
			},
			func(r *run) {
				r.want("t1", "", "upload", "delete")
				r.drain()
				r.api.delete(at(kindTrigger, "t1"))
			},
		},
		"all is deleted": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) { r.api.delete(at(kindEndpoint, "e1")); r.api.delete(at(kindTrigger, "t1")) },
		},
		"all is deleted, the Secret first": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) {
				r.api.delete(at(kindSecret, "one"))
				r.api.delete(at(kindEndpoint, "e1"))
				r.api.delete(at(kindTrigger, "t1"))
			},
		},
		"a Secret is deleted, and the endpoint names another one": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) {
				r.api.delete(at(kindSecret, "one"))
				r.entrust("two")
			},
		},
		"a Secret and an endpoint are deleted, and the trigger leads nowhere": {
			func(r *run) { r.put(); r.want("t1", "", "upload", "delete") },
			func(r *run) {
				r.respec(func(s *v1alpha1.CloudinaryTriggerSpec) { s.EndpointRef.Name = "e2" })
				r.api.delete(at(kindSecret, "one"))
				r.api.delete(at(kindEndpoint, "e1"))
			},
		},
		"the endpoint of a trigger of ours and an adopted one is deleted": {
			func(r *run) {
				r.put()
				r.foreign(urls[0], "upload")
				r.want("t1", "", "upload", "delete")
			},
			func(r *run) { r.api.delete(at(kindEndpoint, "e1")) },
		},
		"a trigger that is to be retained is deleted": {
			func(r *run) {
				r.put()
				r.want("t1", v1alpha1.DeletionPolicyRetain, "upload", "delete")
			},
			func(r *run) { r.api.delete(at(kindTrigger, "t1")) },
		},
	}
}

func (r *run) put() {
	ep := &v1alpha1.NotificationEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "e1"}}
	ep.Spec.URL, ep.Spec.CredentialsSecretRef.Name = urls[0], "one"
	r.api.create(ep)
}

func (r *run) want(trigger string, deletion v1alpha1.DeletionPolicy, eventTypes ...string) {
	t := &v1alpha1.CloudinaryTrigger{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: trigger}}
	t.Spec.EndpointRef.Name, t.Spec.EventTypes, t.Spec.DeletionPolicy = "e1", eventTypes, deletion
	r.api.create(t)
}

// foreign is a trigger that somebody has made before anything else was there.
func (r *run) foreign(url, eventType string) {
	if id, ok := r.clouds["alpha"].person(http.MethodPost, "", map[string]any{"uri": url, "event_type": eventType, "additive": true}); ok {
		r.ledger.made(r.clouds["alpha"], id)
	}
	r.advance(longestLag)
}

func (r *run) rewrite(trigger string, eventTypes ...string) {
	edit(r.api, at(kindTrigger, trigger), func(t *v1alpha1.CloudinaryTrigger) { t.Spec.EventTypes = eventTypes })
}

// respec edits t1.
func (r *run) respec(how func(*v1alpha1.CloudinaryTriggerSpec)) {
	edit(r.api, at(kindTrigger, "t1"), func(t *v1alpha1.CloudinaryTrigger) { how(&t.Spec) })
}

func (r *run) redirect(url string) {
	edit(r.api, at(kindEndpoint, "e1"), func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.URL = url })
}

// entrust gives the endpoint another Secret.
func (r *run) entrust(secret string) {
	edit(r.api, at(kindEndpoint, "e1"), func(ep *v1alpha1.NotificationEndpoint) { ep.Spec.CredentialsSecretRef.Name = secret })
}

// drain works for a while.
func (r *run) drain() {
	for range 16 {
		r.work()
	}
}

// play plays a scene with one thing that goes wrong, and reports whether it came to that.
func play(t *testing.T, seed int64, s scene, trouble *script) bool {
	t.Helper()
	r, err := newRun(seed, "")
	if err != nil {
		t.Fatal(err)
	}
	r.script, r.urlLimit, r.options.URLLimit = trouble, 30, 30
	r.populateSecrets()
	s.before(r)
	r.drain()
	trouble.armed = true
	s.then(r)
	r.drain()
	trouble.armed = false
	r.settle()
	if r.failure == nil {
		r.judge()
	}
	if r.failure != nil {
		t.Errorf("%s %d, fate %d: %s", trouble.what, trouble.nth, trouble.fate, r.report())
	}
	return trouble.happened()
}

// TestEachStep plays scenes, and lets one thing go wrong at each of their steps in turn.
func TestEachStep(t *testing.T) {
	const seeds, most = 1, 1000
	fates := map[string][]fate{
		atStep:  {endsBefore},
		atWrite: {endsAfter, lostBefore, lostAfter},
		atCall:  {endsAfter, lostBefore, lostAfter, late, refused},
	}
	for name, s := range scenes() {
		for seed := range int64(seeds) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				t.Parallel()
				for what, all := range fates {
					for _, f := range all {
						nth := 1
						for nth < most && !t.Failed() && play(t, seed, s, &script{what: what, nth: nth, fate: f}) {
							nth += *strideFlag
						}
						if nth == 1 || nth >= most {
							t.Errorf("%d steps that are a %s", nth-1, what)
						}
					}
				}
			})
		}
	}
}

// scripted is what happens at a step of a run with a script.
func (r *run) scripted(s step, p *process) {
	p.renew()
	switch fate := r.script.next(atStep); {
	case fate == endsBefore:
		p.kill(string(s))
	case r.script.edits != nil && r.script.armed && r.script.count == r.script.nth:
		r.script.edits(r)
	}
}

// afterthoughts are what people do in the middle of a scene.
func afterthoughts() map[string]func(*run) {
	deletion := func(p v1alpha1.DeletionPolicy) func(*run) {
		return func(r *run) { r.respec(func(s *v1alpha1.CloudinaryTriggerSpec) { s.DeletionPolicy = p }) }
	}
	return map[string]func(*run){
		"it is to be deleted":  deletion(v1alpha1.DeletionPolicyDelete),
		"it is to be retained": deletion(v1alpha1.DeletionPolicyRetain),
		"it is to observe": func(r *run) {
			r.respec(func(s *v1alpha1.CloudinaryTriggerSpec) { s.ManagementPolicy = v1alpha1.ManagementPolicyObserve })
		},
		"it has other event types":             func(r *run) { r.rewrite("t1", "upload", "rename") },
		"it has other settings":                func(r *run) { r.respec(func(s *v1alpha1.CloudinaryTriggerSpec) { s.Additive = new(true) }) },
		"it is deleted":                        func(r *run) { r.api.delete(at(kindTrigger, "t1")) },
		"another one wants the same":           func(r *run) { r.want("t3", "", "upload", "rename") },
		"the URL is another one":               func(r *run) { r.redirect(urls[3]) },
		"the URL is that of before":            func(r *run) { r.redirect(urls[0]) },
		"the Secret is another one":            func(r *run) { r.entrust("two") },
		"the Secret is of another environment": func(r *run) { r.entrust("other") },
		"the endpoint is deleted":              func(r *run) { r.api.delete(at(kindEndpoint, "e1")) },
		"the Secret is deleted":                func(r *run) { r.api.delete(at(kindSecret, "one")) },
	}
}

// TestPeopleChangeTheirMindsAtEachStep plays scenes, and has people do something else at each of
// their steps in turn: what a pass has planned by what was there before is not done to what is
// there now.
func TestPeopleChangeTheirMindsAtEachStep(t *testing.T) {
	const most = 1000
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for thought, edits := range afterthoughts() {
				nth := 1
				for nth < most && play(t, 0, s, &script{what: atStep, nth: nth, edits: edits}) {
					nth += *strideFlag
				}
				if nth == 1 || nth >= most {
					t.Errorf("%d steps", nth-1)
				}
				if t.Failed() {
					t.Fatalf("where %s", thought)
				}
			}
		})
	}
}
