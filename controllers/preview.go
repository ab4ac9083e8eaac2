// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// PreviewInput is what a preview rests on: objects as they are, or as they would be once applied, and what was read at Cloudinary.
type PreviewInput struct {
	Endpoints []v1alpha1.NotificationEndpoint
	Triggers  []v1alpha1.CloudinaryTrigger
	// Namespaces are the labels of all namespaces, for endpoints that go by them; nil: they are not known.
	Namespaces map[string]labels.Set
	// Partial says that there may be objects which are not among these, since they could not be read.
	Partial bool
	// Secrets are those that are known. One that is not here could not be read: nothing is concluded for the objects that need it.
	Secrets map[plan.Key]PreviewSecret
	// Now is this process's clock.
	Now     time.Time
	Options Options
}

// PreviewSecret is a Secret, and what a list with its credentials brought.
type PreviewSecret struct {
	Secret *corev1.Secret // nil: it does not exist
	List   *PreviewList   // nil: its credentials could not be tried
}

// PreviewList is the outcome of one list of all triggers.
type PreviewList struct {
	Triggers []cloudinary.Trigger
	Meta     cloudinary.Meta
	Begun    time.Time // by this process's clock
	Err      error
}

// PreviewResult is what the manager would do, and what it would say before it does.
type PreviewResult struct {
	// Environments are sorted, and each has its steps in the order in which they would be taken.
	Environments []PreviewEnvironment
	Endpoints    []PreviewObject
	Triggers     []PreviewObject
}

// PreviewEnvironment is what would happen in one product environment.
type PreviewEnvironment struct {
	Environment cloudinary.Environment
	URLsBefore  int
	URLsAfter   int
	Steps       []PreviewStep
}

// PreviewStep is a step with what a person wants to know of it.
type PreviewStep struct {
	plan.Step
	// Differences are the fields that an update or a replacement would change, as far as the list shows them.
	Differences []plan.Difference
	// Silent are those of them of which the manifest says nothing, where a trigger that was there before is adopted: they go to Cloudinary's
	// defaults all the same.
	Silent []plan.Difference
	// Blocked means no Secret gives access for it, so that it waits.
	Blocked bool
}

// PreviewObject is what the manager's conditions on an object would be before its first step.
type PreviewObject struct {
	Key        plan.Key
	Conditions []metav1.Condition
	// Notes are what the conditions have beside their verdict. One of them may be in doubt.
	Notes []check.Finding
}

// Preview runs the manager's own resolution and planning over objects that need not exist yet, and lets each step succeed, until
// nothing is left to do. It calls nothing and writes nothing, and leaves its input as it is. What Cloudinary would refuse, or do
// otherwise than asked, it cannot know.
func Preview(in PreviewInput) PreviewResult {
	p := newPreviewer(in)
	for range maxPreviewRounds {
		again := false
		for _, env := range p.environments {
			again = p.pass(env) || again
		}
		p.judged = true
		if !again {
			break
		}
	}
	return p.result()
}

// PreviewPathToken stands in a preview for what only the operator can compute: the end of an address that does not exist yet.
const PreviewPathToken = "(known-once-the-operator-has-seen-it)"

// previewToken is that of the present address: it does not depend on the rest of the address.
func previewToken(ep *v1alpha1.NotificationEndpoint) (string, *problem) {
	return cmp.Or(presentToken(ep), PreviewPathToken), nil
}

// maxPreviewRounds is more than any move between environments takes: one to arrive, one to leave, one to find nothing left.
const maxPreviewRounds = 8

type previewer struct {
	r            *Reconciler
	world        *world
	lists        map[plan.Key]*PreviewList
	environments []*previewEnvironment
	judged       bool                       // the first round has given its verdicts
	triggers     map[plan.Key]PreviewObject // those of which the environments' first plans say something
	endpoints    map[plan.Key]PreviewObject // as above
	created      int
}

type previewEnvironment struct {
	name    cloudinary.Environment
	state   *environment
	before  int
	after   int
	steps   []PreviewStep
	blocked []PreviewStep
}

func newPreviewer(in PreviewInput) *previewer {
	now := in.Now
	in.Options.VerificationNamespace = cmp.Or(in.Options.VerificationNamespace, "not known here")
	p := &previewer{
		r:     &Reconciler{Options: in.Options, Now: func() time.Time { return now }, directory: newDirectory(cloudinary.Budget{})},
		lists: map[plan.Key]*PreviewList{}, triggers: map[plan.Key]PreviewObject{}, endpoints: map[plan.Key]PreviewObject{},
	}
	p.world = &world{
		endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{}, namespaces: in.Namespaces,
		secret: p.r.directory.secret, accepted: p.r.directory.isAccepted, options: &p.r.Options, pathToken: previewToken, partial: in.Partial,
	}
	for i := range in.Endpoints {
		p.world.endpoints[keyOf(&in.Endpoints[i])] = in.Endpoints[i].DeepCopy()
	}
	for i := range in.Triggers {
		p.world.triggers = append(p.world.triggers, in.Triggers[i].DeepCopy())
	}
	keys := make([]plan.Key, 0, len(in.Secrets))
	for key := range in.Secrets {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareKeys)
	for _, key := range keys {
		p.learn(key, in.Secrets[key])
	}
	slices.SortFunc(p.environments, func(a, b *previewEnvironment) int {
		return cmp.Or(cmp.Compare(a.name.APIBase, b.name.APIBase), cmp.Compare(a.name.CloudName, b.name.CloudName))
	})
	return p
}

// learn takes note of a Secret. The first list of an environment is the environment's.
func (p *previewer) learn(key plan.Key, s PreviewSecret) {
	if s.Secret == nil {
		p.r.secretMissing(key, true)
		return
	}
	state := p.r.parseSecret(s.Secret)
	p.r.directory.setSecret(key, state)
	p.lists[key] = s.List
	if state.problem != nil || s.List == nil || s.List.Err != nil {
		return
	}
	p.r.directory.setAccepted(state.credentials, true)
	name := state.credentials.Environment()
	if slices.ContainsFunc(p.environments, func(e *previewEnvironment) bool { return e.name == name }) {
		return
	}
	env := p.r.directory.environment(name)
	env.clock.learn(s.List.Meta.Date, s.List.Begun)
	env.observed, env.listed = observedFrom(s.List.Triggers), s.List.Begun
	p.environments = append(p.environments, &previewEnvironment{name: name, state: env})
}

// pass plans one environment and lets every step succeed that can be taken. It says whether there was one.
func (p *previewer) pass(env *previewEnvironment) (again bool) {
	g := p.world.gather(env.name)
	in := p.r.input(g, env.state)
	planned := plan.Make(in)
	p.judge(g, env, planned)
	a := &applier{Reconciler: p.r, g: g, env: env.state}
	env.blocked = nil
	for i := range in.Objects {
		in.Objects[i].Records = planned.Verdicts[in.Objects[i].Key].Records
	}
	for _, s := range planned.Steps {
		if s.Unlisted {
			plan.Apply(&in, s, plan.Outcome{Result: plan.Gone}) // as the list says; the manager asks
			again = true
			continue
		}
		step := PreviewStep{Step: s, Differences: differencesOf(planned.Verdicts[s.Object], s), Blocked: a.cannot(s)}
		if s.Cause == plan.CauseAdoption {
			step.Silent = silentIn(g.triggers[s.Object].Spec, step.Differences)
		}
		if step.Blocked {
			env.blocked = append(env.blocked, step)
			continue
		}
		again = true
		env.steps = append(env.steps, step)
		p.take(&in, env.state, s)
	}
	env.state.observed = in.Observed
	for i := range in.Objects {
		t := g.triggers[in.Objects[i].Key].CloudinaryTrigger
		t.Status.Registrations = withRecords(t.Status.Registrations, env.name, in.Objects[i].Records)
	}
	return again
}

// take lets a step succeed.
func (p *previewer) take(in *plan.Input, env *environment, s plan.Step) {
	at := env.clock.at(p.r.Now())
	switch s.Action {
	case plan.Replace:
		del, create := s.Halves()
		p.take(in, env, del)
		p.take(in, env, create)
	case plan.Create:
		p.created++
		plan.Intend(in, s, at)
		plan.Apply(in, s, plan.Outcome{Result: plan.Done, At: at, Trigger: plan.Observed{
			ID: fmt.Sprintf("preview-%d", p.created), URL: s.URL, EventType: s.EventType, CreatedAt: at,
		}})
	case plan.Update, plan.Delete:
		plan.Apply(in, s, plan.Outcome{Result: plan.Done, At: at})
	}
}

func differencesOf(v plan.Verdict, s plan.Step) []plan.Difference {
	if s.Action == plan.Create || s.Action == plan.Delete {
		return nil
	}
	for _, rec := range v.Records {
		if rec.ID == s.ID {
			return rec.Differences
		}
	}
	return nil
}

// silentIn are the differences in fields that a spec does not set.
func silentIn(spec v1alpha1.CloudinaryTriggerSpec, differences []plan.Difference) []plan.Difference {
	unset := map[string]bool{
		"additive": spec.Additive == nil, "filter": spec.Filter == nil, "payloadTemplate": spec.PayloadTemplate == nil, "authScheme": spec.AuthScheme == "",
	}
	return slices.DeleteFunc(slices.Clone(differences), func(d plan.Difference) bool { return !unset[d.Field] })
}

// judge keeps what the first plan says of the environment's triggers.
func (p *previewer) judge(g *gathered, env *previewEnvironment, planned plan.Plan) {
	env.after = len(planned.URLs)
	if p.judged {
		return
	}
	env.before = len(planned.URLs)
	g.use = limitUseOf(g, p.r.Options.URLLimit, planned)
	for _, key := range g.order {
		if t := g.triggers[key]; t.isPrimary {
			p.triggers[key] = p.say(t, t.Status.Conditions, p.r.assess(g, env.state, t, planned.Verdicts[key]))
		}
	}
	g.keys = p.keys(g)
	for i := range g.endpoints {
		ep := &g.endpoints[i]
		p.endpoints[ep.key] = p.say(ep, ep.Status.Conditions, p.r.assessEndpoint(g, ep, len(planned.URLs)))
	}
}

// keys are the verification keys that can count here; nil: that is not known, since a Secret could not be read, or matters to nobody.
func (p *previewer) keys(g *gathered) *verification.Pool {
	view := p.r.viewKeys(g)
	for _, s := range view.secrets {
		if !s.known {
			return nil
		}
	}
	if !view.accepted {
		return nil
	}
	return verification.NewPool(view.known())
}

func (p *previewer) say(o metav1.Object, existing []metav1.Condition, a assessment) PreviewObject {
	return PreviewObject{keyOf(o), a.conditions(existing, o.GetGeneration(), metav1.NewTime(p.r.Now())), a.notes}
}

func (p *previewer) result() PreviewResult {
	var result PreviewResult
	for _, env := range p.environments {
		result.Environments = append(result.Environments, PreviewEnvironment{
			Environment: env.name, URLsBefore: env.before, URLsAfter: env.after, Steps: slices.Concat(env.steps, env.blocked),
		})
	}
	for key, ep := range p.world.endpoints {
		said, ok := p.endpoints[key]
		if !ok {
			view := p.world.viewEndpoint(ep)
			a := view.assessment()
			a.synced = p.waiting(view)
			said = p.say(ep, ep.Status.Conditions, a)
		}
		result.Endpoints = append(result.Endpoints, said)
	}
	for _, t := range p.world.triggers {
		said, ok := p.triggers[keyOf(t)]
		if !ok {
			said = p.unresolved(t)
		}
		result.Triggers = append(result.Triggers, said)
	}
	byKey := func(a, b PreviewObject) int { return compareKeys(a.Key, b.Key) }
	slices.SortFunc(result.Endpoints, byKey)
	slices.SortFunc(result.Triggers, byKey)
	return result
}

// unresolved is what is said of a trigger that leads to no environment.
func (p *previewer) unresolved(t *v1alpha1.CloudinaryTrigger) PreviewObject {
	view := p.world.viewTrigger(t)
	a := assessment{accepted: view.problem, notes: view.notes, done: triggerDone}
	if view.endpoint != nil {
		a.synced = p.waiting(*view.endpoint)
	}
	return p.say(t, t.Status.Conditions, a)
}

// waiting is why nothing can be said of what an endpoint's credentials lead to; nil: they were accepted.
func (p *previewer) waiting(ep endpointView) *problem {
	list := p.lists[ep.secret]
	state, _ := p.world.secret(ep.secret)
	switch {
	case ep.primary.Kind == EnvironmentUnit:
		return nil
	case list != nil && list.Err != nil:
		return callProblem(state.credentials, list.Err)
	default:
		return &problem{v1alpha1.ReasonPending, "the credentials have not been tried yet"}
	}
}
