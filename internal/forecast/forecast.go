// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verdict"
)

// Make plans all environments again and again, and lets each step succeed, until no step is left.
// It does not change its input. It cannot know what Cloudinary would refuse, or do differently.
func Make(in Input) Result {
	f := newForecaster(in)
	for range maxRounds {
		again := false
		for _, env := range f.environments {
			again = f.round(env) || again
		}
		f.reported = true
		if !again {
			break
		}
	}
	return f.result()
}

// maxRounds is more than any move between environments needs: one round to arrive, one to leave,
// and one without steps.
const maxRounds = 8

// PathToken stands for the end of a new address, which only the manager can compute.
const PathToken = "(known-once-the-operator-has-seen-it)"

// pathToken is the token of the present address, which does not depend on the rest of it.
func pathToken(ep *v1alpha1.NotificationEndpoint) (string, *resolve.Problem) {
	return cmp.Or(resolve.PresentToken(ep), PathToken), nil
}

type forecaster struct {
	now          time.Time
	options      Options
	world        *resolve.World
	secrets      map[plan.Key]resolve.Secret
	accepted     map[cloudinary.Credentials]bool
	lists        map[plan.Key]*List
	environments []*environmentState
	reported     bool                // the first round has given its verdicts
	triggers     map[plan.Key]Object // the verdicts of the first plans
	endpoints    map[plan.Key]Object // as above
	created      int
}

type environmentState struct {
	name     cloudinary.Environment
	list     *List
	observed []plan.Observed
	before   int
	after    int
	steps    []Step
	blocked  []Step
}

func newForecaster(in Input) *forecaster {
	f := &forecaster{
		now: in.Now, options: in.Options,
		secrets: map[plan.Key]resolve.Secret{}, accepted: map[cloudinary.Credentials]bool{}, lists: map[plan.Key]*List{},
		triggers: map[plan.Key]Object{}, endpoints: map[plan.Key]Object{},
	}
	f.options.VerificationNamespace = cmp.Or(f.options.VerificationNamespace, "not known here")
	f.world = &resolve.World{
		Endpoints: map[plan.Key]*v1alpha1.NotificationEndpoint{}, Namespaces: in.Namespaces, Partial: in.Partial,
		Secret: func(key plan.Key) (resolve.Secret, bool) {
			s, known := f.secrets[key]
			return s, known
		},
		Accepted: func(c cloudinary.Credentials) bool { return f.accepted[c] },
		Options:  f.options.Options, PathToken: pathToken,
	}
	for i := range in.Endpoints {
		f.world.Endpoints[resolve.KeyOf(&in.Endpoints[i])] = in.Endpoints[i].DeepCopy()
	}
	for i := range in.Triggers {
		f.world.Triggers = append(f.world.Triggers, in.Triggers[i].DeepCopy())
	}
	for _, key := range slices.SortedFunc(maps.Keys(in.Secrets), plan.Key.Compare) {
		f.learn(key, in.Secrets[key])
	}
	slices.SortFunc(f.environments, func(a, b *environmentState) int {
		return cmp.Or(cmp.Compare(a.name.APIBase, b.name.APIBase), cmp.Compare(a.name.CloudName, b.name.CloudName))
	})
	return f
}

// learn adds a Secret. The first list of an environment is the one that counts.
func (f *forecaster) learn(key plan.Key, s Secret) {
	if s.Secret == nil {
		f.secrets[key] = resolve.MissingSecret(key)
		return
	}
	state := resolve.ParseSecret(s.Secret, &f.options.Options)
	f.secrets[key], f.lists[key] = state, s.List
	if state.Problem != nil || s.List == nil || s.List.Err != nil {
		return
	}
	f.accepted[state.Credentials] = true
	name := state.Credentials.Environment()
	if slices.ContainsFunc(f.environments, func(e *environmentState) bool { return e.name == name }) {
		return
	}
	f.environments = append(f.environments, &environmentState{name: name, list: s.List, observed: resolve.Observed(s.List.Triggers)})
}

// round plans one environment and lets every possible step succeed. It reports whether there was
// one.
func (f *forecaster) round(env *environmentState) (again bool) {
	s := f.world.Gather(env.name)
	in := f.input(s, env)
	planned := plan.Make(in)
	f.report(s, env, planned)
	env.blocked = nil
	for i := range in.Objects {
		in.Objects[i].Records = planned.Verdicts[in.Objects[i].Key].Records
	}
	for _, step := range planned.Steps {
		again = f.simulate(&in, s, env, step, planned) || again
	}
	env.observed = in.Observed
	for i := range in.Objects {
		t := s.Triggers[in.Objects[i].Key].CloudinaryTrigger
		t.Status.Registrations = resolve.WithRecords(t.Status.Registrations, env.name, in.Objects[i].Records)
	}
	return again
}

func (f *forecaster) input(s *resolve.Scope, env *environmentState) plan.Input {
	return plan.Input{
		Objects: s.Objects, Observed: env.observed,
		ListedAt: env.list.Begun.Add(env.list.offset()), Now: f.now.Add(env.list.offset()),
		URLLimit: f.options.URLLimit, Settle: f.options.Settle, Refusals: map[plan.Place]plan.Refusal{},
	}
}

// simulate lets a step succeed, unless it has to wait for credentials. It reports whether it did.
func (f *forecaster) simulate(in *plan.Input, s *resolve.Scope, env *environmentState, step plan.Step, planned plan.Plan) bool {
	if step.Unlisted {
		// The forecast believes the list; the manager asks Cloudinary
		plan.Apply(in, step, plan.Outcome{Result: plan.Gone})
		return true
	}
	_, able := s.Credentials(step)
	foreseen := Step{Step: step, Differences: differencesOf(planned.Verdicts[step.Object], step), Blocked: !able}
	if step.Cause == plan.CauseAdoption {
		foreseen.Silent = silentIn(s.Triggers[step.Object].Spec, foreseen.Differences)
	}
	if foreseen.Blocked {
		env.blocked = append(env.blocked, foreseen)
		return false
	}
	env.steps = append(env.steps, foreseen)
	f.succeed(in, step)
	return true
}

func (f *forecaster) succeed(in *plan.Input, s plan.Step) {
	switch s.Action {
	case plan.Replace:
		del, create := s.Halves()
		f.succeed(in, del)
		f.succeed(in, create)
	case plan.Create:
		f.created++
		plan.Intend(in, s, in.Now)
		plan.Apply(in, s, plan.Outcome{Result: plan.Done, At: in.Now, Trigger: plan.Observed{
			ID: fmt.Sprintf("preview-%d", f.created), URL: s.URL, EventType: s.EventType, CreatedAt: in.Now,
		}})
	case plan.Update, plan.Delete:
		plan.Apply(in, s, plan.Outcome{Result: plan.Done, At: in.Now})
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

// report keeps the verdicts of the first plan on the environment's objects.
func (f *forecaster) report(s *resolve.Scope, env *environmentState, planned plan.Plan) {
	env.after = len(planned.URLs)
	if f.reported {
		return
	}
	env.before = len(planned.URLs)
	use := verdict.LimitUseOf(s, f.options.URLLimit, planned)
	for _, key := range s.Order {
		if t := s.Triggers[key]; t.IsPrimary {
			a, _ := verdict.Trigger(s, t, planned.Verdicts[key], &use, verdict.Calls{})
			f.triggers[key] = f.object(t, t.Status.Conditions, a)
		}
	}
	state := verdict.EnvironmentSummary{URLs: len(planned.URLs), Limit: f.options.URLLimit}
	for i := range s.Endpoints {
		ep := &s.Endpoints[i]
		f.endpoints[ep.Key] = f.object(ep, ep.Status.Conditions, verdict.Endpoint(s, ep, state, nil, keysOf(s)))
	}
}

// keysOf are the verification keys that can count here. There are none if a Secret could not be
// read.
func keysOf(s *resolve.Scope) verdict.Keys {
	keys := s.Keys()
	if !keys.Complete() {
		return verdict.Keys{}
	}
	return verdict.Keys{Pool: keys.Pool(nil)}
}

func (f *forecaster) object(o metav1.Object, existing []metav1.Condition, a verdict.Assessment) Object {
	return Object{resolve.KeyOf(o), a.Conditions(existing, o.GetGeneration(), metav1.NewTime(f.now)), a.Notes}
}

func (f *forecaster) result() Result {
	var result Result
	for _, env := range f.environments {
		result.Environments = append(result.Environments, EnvironmentForecast{
			Environment: env.name, URLsBefore: env.before, URLsAfter: env.after, Steps: slices.Concat(env.steps, env.blocked),
		})
	}
	for _, key := range slices.SortedFunc(maps.Keys(f.world.Endpoints), plan.Key.Compare) {
		said, ok := f.endpoints[key]
		if !ok {
			said = f.waitingEndpoint(f.world.Endpoints[key])
		}
		result.Endpoints = append(result.Endpoints, said)
	}
	for _, t := range f.world.Triggers {
		said, ok := f.triggers[resolve.KeyOf(t)]
		if !ok {
			said = f.unresolved(t)
		}
		result.Triggers = append(result.Triggers, said)
	}
	slices.SortFunc(result.Triggers, func(a, b Object) int { return a.Key.Compare(b.Key) })
	return result
}

// waitingEndpoint is the forecast for an endpoint that leads to no environment.
func (f *forecaster) waitingEndpoint(o *v1alpha1.NotificationEndpoint) Object {
	ep := f.world.ResolveEndpoint(o)
	return f.object(o, o.Status.Conditions, verdict.WaitingEndpoint(&ep, f.cause(&ep)))
}

// unresolved is the forecast for a trigger that leads to no environment.
func (f *forecaster) unresolved(o *v1alpha1.CloudinaryTrigger) Object {
	t := f.world.ResolveTrigger(o)
	var cause *resolve.Problem
	if t.Endpoint != nil {
		cause = f.cause(t.Endpoint)
	}
	a, _, stays := verdict.Unresolved(f.world, &t, cause)
	if stays {
		return Object{Key: t.Key, Conditions: o.Status.Conditions, Notes: t.Notes}
	}
	return f.object(o, o.Status.Conditions, a)
}

// cause is the reason why an endpoint's credentials lead nowhere. Nil: the endpoint's own problem
// is the reason.
func (f *forecaster) cause(ep *resolve.Endpoint) *resolve.Problem {
	state, known := f.secrets[ep.Secret]
	switch list := f.lists[ep.Secret]; {
	case known && state.Problem != nil:
		return nil
	case list != nil && list.Err != nil:
		return verdict.CallProblem(state.Credentials, list.Err)
	default:
		return verdict.NotTried()
	}
}
