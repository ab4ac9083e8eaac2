// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/excerpt"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// report writes the verdicts of a pass to status, where something changed, and releases objects that are done with.
func (r *Reconciler) report(ctx context.Context, g *gathered, env *environment, p plan.Plan) error {
	g.use = limitUseOf(g, r.Options.URLLimit, p)
	err := r.atOnce(g.order, func(key plan.Key) error {
		t, o := g.triggers[key], g.object(key)
		if t.isPrimary {
			return r.reportTrigger(ctx, g, env, t, o, p.Verdicts[key])
		}
		return r.reportElsewhere(ctx, g, t, o)
	})
	r.Metrics.environment(g.environment, len(p.URLs), r.Options.URLLimit, p)
	r.Metrics.shares(g.environment, env.short, env.calls(cloudinary.Listing, r.Now()))
	return errors.Join(err, r.reportEndpoints(ctx, g, env, p.URLs))
}

// reportElsewhere writes what a trigger still holds in an environment that is not its primary, and lets its primary say the rest.
func (r *Reconciler) reportElsewhere(ctx context.Context, g *gathered, t *triggerState, o *plan.Object) error {
	if err := r.store(ctx, g, o.Key, o.Records); err != nil {
		return err
	}
	if len(o.Records) != len(recordsIn(t.before, g.environment)) {
		r.released(t)
	}
	return nil
}

// released wakes what may have waited for a trigger to release something: its primary, with its endpoint, and the Secrets.
// A change of status alone wakes nothing.
func (r *Reconciler) released(t *triggerState) {
	r.wake(t.primary)
	for _, reg := range t.before {
		r.wake(secretUnit(secretOf(reg)))
	}
}

func (r *Reconciler) reportTrigger(ctx context.Context, g *gathered, env *environment, t *triggerState, o *plan.Object, v plan.Verdict) error {
	registrations := withRecords(t.Status.Registrations, g.environment, o.Records)
	return r.finishTrigger(ctx, t, r.assess(g, env, t, v), registrations, v.Observed)
}

// assess turns a plan's verdict into what the conditions of a trigger say.
func (r *Reconciler) assess(g *gathered, env *environment, t *triggerState, v plan.Verdict) assessment {
	a := assessment{accepted: t.problem, notes: t.notes, done: triggerDone}
	accepted, synced := verdictProblems(&t.triggerView, v.Findings, &g.use)
	if a.accepted == nil {
		a.accepted = accepted
	}
	a.synced = synced
	switch {
	case synced == nil:
	case env.backoff.problem != nil && waitsForCalls(synced.reason):
		a.synced = env.backoff.problem
	case g.barred[t.key] != nil && waitsForCalls(synced.reason) && synced.reason != v1alpha1.ReasonConfirming:
		a.synced = g.barred[t.key]
	case env.short > 0 && waitsForCalls(synced.reason) && synced.reason != v1alpha1.ReasonConfirming:
		a.synced = shareSpent()
	}
	if leaving := r.leaving(t, g.environment); leaving != nil && a.synced == nil {
		a.synced = leaving
	}
	return a
}

// waitsForCalls reports whether a state would go away if calls could be made.
func waitsForCalls(reason string) bool { return v1alpha1.WaitsForCalls(reason) }

// leaving says that something is left in environments other than the trigger's own, and wakes their passes.
// It does so where this pass has brought news: two environments with objects that move in opposite directions, and are held up, would
// else wake each other for ever.
func (r *Reconciler) leaving(t *triggerState, own cloudinary.Environment) *problem {
	seen := t.Status.ObservedGeneration
	news := seen == nil || *seen != t.Generation || !equality.Semantic.DeepEqual(t.before, t.Status.Registrations)
	var p *problem
	for _, reg := range t.Status.Registrations {
		e := environmentOf(reg)
		forsaken := slices.Contains(t.forsaken, e)
		if e == own || t.stance == plan.Holds && !forsaken {
			continue
		}
		if news {
			r.wake(environmentUnit(e))
		}
		if _, ok := r.directory.member(secretOf(reg), e); !ok {
			return &problem{v1alpha1.ReasonCredentialsMissing, credentialsMissing(reg) + r.whyMissing(t, secretOf(reg))}
		}
		p = &problem{v1alpha1.ReasonReleasing, fmt.Sprintf("triggers in %s are still to be released", e)}
		if forsaken {
			p.message += fmt.Sprintf(", since Secret %s is being deleted and no endpoint names it", secretOf(reg))
		}
	}
	return p
}

func credentialsMissing(reg v1alpha1.Registration) string {
	return fmt.Sprintf("triggers are left in %s, and Secret %s gives no access to it any more; restore its credentials, or end the wait with the annotation %s: \"true\", which leaves the triggers behind",
		environmentOf(reg), secretOf(reg), v1alpha1.AnnotationAbandon)
}

// whyMissing is what is wrong with a Secret that is there, for those of its own namespace.
func (r *Reconciler) whyMissing(t *triggerState, secret plan.Key) string {
	s, known := r.directory.secret(secret)
	if !known || s.problem == nil || t.Namespace != secret.Namespace {
		return ""
	}
	return " (" + s.problem.message + ")"
}

// What Synced=True says.
const (
	triggerDone  = "Cloudinary has what the spec says"
	endpointDone = "the product environment's triggers are read with the endpoint's credentials"
)

// finishTrigger writes a trigger's status, and lets an object go that is being deleted and holds nothing any more.
func (r *Reconciler) finishTrigger(ctx context.Context, t *triggerState, a assessment, registrations []v1alpha1.Registration, observed []plan.Comparison) error {
	if t.DeletionTimestamp != nil {
		r.waitsToGo(t, &a)
	}
	status := v1alpha1.CloudinaryTriggerStatus{
		Conditions:         a.conditions(t.Status.Conditions, t.Generation, metav1.NewTime(r.Now())),
		ObservedGeneration: &t.Generation,
		EventTypes:         inOneLine(t.Spec.EventTypes),
		Registrations:      registrations,
		Observed:           observedTriggers(observed),
	}
	if len(registrations) == 0 && len(t.before) > 0 {
		r.released(t)
	}
	if t.DeletionTimestamp != nil && len(registrations) == 0 {
		return r.letGo(ctx, t)
	}
	if abandoned(t) {
		return r.abandon(ctx, t, registrations)
	}
	if len(registrations) > 0 {
		if err := r.ensureFinalizer(ctx, t); err != nil {
			return err
		}
	}
	if err := r.writeTriggerStatus(ctx, t, status); err != nil {
		return err
	}
	r.wakeFormer(t.before, registrations)
	return nil
}

// maxInOneLine is how many event types kubectl get shows.
const maxInOneLine = 4

// inOneLine names event types as people write them: a printer column can show a list as JSON alone.
func inOneLine(eventTypes []string) string {
	if more := len(eventTypes) - maxInOneLine; more > 0 {
		return fmt.Sprintf("%s +%d", strings.Join(eventTypes[:maxInOneLine], ","), more)
	}
	return strings.Join(eventTypes, ",")
}

// wakeFormer wakes the Secrets that an object needed until now: perhaps they are to go.
func (r *Reconciler) wakeFormer(before, now []v1alpha1.Registration) {
	for _, former := range before {
		if !slices.ContainsFunc(now, func(reg v1alpha1.Registration) bool { return secretOf(reg) == secretOf(former) }) {
			r.wake(secretUnit(secretOf(former)))
		}
	}
}

// waitsToGo names the way out on an object whose deletion needs a person, and leaves an Event when it comes to that.
func (r *Reconciler) waitsToGo(t *triggerState, a *assessment) {
	if a.synced == nil || !needsPerson(a.synced.reason) {
		return
	}
	if !strings.Contains(a.synced.message, v1alpha1.AnnotationAbandon) {
		a.synced = &problem{a.synced.reason, a.synced.message + "; or end the wait with the annotation " +
			v1alpha1.AnnotationAbandon + ": \"true\", which leaves the triggers behind"}
	}
	c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionSynced)
	if c == nil || c.Reason != a.synced.reason {
		r.event(t.CloudinaryTrigger, corev1.EventTypeWarning, "DeletionWaits", "%s", excerpt.Shorten(a.synced.message, maxNote))
	}
}

func observedTriggers(compared []plan.Comparison) []v1alpha1.ObservedTrigger {
	var observed []v1alpha1.ObservedTrigger
	limit := shownBytes(len(compared))
	for _, c := range compared {
		observed = append(observed, v1alpha1.ObservedTrigger{
			EventType: c.EventType, ID: c.ID, Differences: fieldDifferences(c.Differences, limit),
		})
	}
	return observed
}

// reportUnread reports on an environment of which nothing was ever read: it cannot be reached, or nobody has credentials for it.
// A trigger whose state is known from before keeps it.
func (r *Reconciler) reportUnread(ctx context.Context, g *gathered, env *environment) error {
	cause := env.backoff.problem
	if cause == nil && env.doubted != nil {
		cause = listInDoubt()
	}
	if cause == nil {
		cause = &problem{v1alpha1.ReasonUnavailable, "the triggers of the product environment have not been read yet"}
	}
	err := r.atOnce(g.order, func(key plan.Key) error {
		t := g.triggers[key]
		if !t.isPrimary || t.known() {
			return nil
		}
		a := assessment{
			accepted: t.problem, notes: t.notes, done: triggerDone,
			synced: cause, unknown: t.DeletionTimestamp == nil,
		}
		return r.finishTrigger(ctx, t, a, t.Status.Registrations, nil)
	})
	return errors.Join(err, r.reportEndpoints(ctx, g, env, nil))
}

// reportEndpoints writes the status of the environment's endpoints.
func (r *Reconciler) reportEndpoints(ctx context.Context, g *gathered, env *environment, urls []string) error {
	var errs []error
	for i := range g.endpoints {
		ep := &g.endpoints[i]
		a := r.assessEndpoint(g, ep, len(urls))
		a.synced, a.unknown = env.backoff.problem, env.listed.IsZero()
		if creds, ok := r.directory.member(ep.secret, g.environment); ok && a.synced == nil {
			a.synced = r.barred(env, creds)
		}
		if a.synced == nil && ep.Spec.Receiver != nil {
			a.synced = g.keysProblemOf(ep)
		}
		use := usage{waiting: env.short}
		use.share, use.plan = env.budget.Allowance()
		if !env.listed.IsZero() {
			use.urls = new(len(urls))
		}
		errs = append(errs, r.finishEndpoint(ctx, g.world, ep, a, use))
	}
	return errors.Join(errs...)
}

// assessEndpoint is what the conditions of an endpoint of the environment say of its spec. A preview goes by it too.
func (r *Reconciler) assessEndpoint(g *gathered, ep *endpointView, urls int) assessment {
	a := ep.assessment()
	a.notes = slices.Concat(a.notes, r.keyNotes(g, ep), r.limitNotes(urls))
	return a
}

// assessment is what there is to say of an endpoint without its environment.
func (v *endpointView) assessment() assessment {
	return assessment{accepted: v.problem, notes: slices.Concat(v.warnings, v.notes), done: endpointDone}
}

// maxURLs bounds the numbers that status.environment shows.
const maxURLs = 100000

// usage is how full an environment is.
type usage struct {
	urls    *int // nil: it was not listed yet
	waiting int  // changes for which there are no calls
	share   int  // calls an hour at most
	plan    int  // of these that the plan allows; 0: not known
}

func (r *Reconciler) finishEndpoint(ctx context.Context, w *world, ep *endpointView, a assessment, use usage) error {
	if ep.DeletionTimestamp != nil && !w.usesEndpoint(ep.key) {
		return r.removeFinalizer(ctx, ep.NotificationEndpoint)
	}
	if ep.DeletionTimestamp != nil && ep.Annotations[v1alpha1.AnnotationAbandon] == annotationTrue {
		return r.removeFinalizer(ctx, ep.NotificationEndpoint)
	}
	if ep.DeletionTimestamp != nil && a.synced == nil {
		a.synced = &problem{v1alpha1.ReasonReleasing, "triggers that use this endpoint are still to be released"}
	}
	if err := r.holdEndpoint(ctx, ep); err != nil {
		return err
	}
	status := v1alpha1.NotificationEndpointStatus{
		Conditions:         a.conditions(ep.Status.Conditions, ep.Generation, metav1.NewTime(r.Now())),
		ObservedGeneration: &ep.Generation,
		URL:                ep.url,
		Environment:        ep.Status.Environment,
	}
	if status.URL == "" {
		status.URL = keepURL(ep.NotificationEndpoint)
	}
	if ep.proven() {
		status.Environment = r.environmentStatus(ep.environment, use)
	}
	return r.writeEndpointStatus(ctx, ep, status)
}

// proven says whether Cloudinary has accepted the endpoint's credentials in the environment that they name, now or before. The receiver
// verifies by it: who merely names somebody's cloud gets none of its keys.
func (v *endpointView) proven() bool {
	if v.environment == (cloudinary.Environment{}) {
		return false
	}
	e := v.Status.Environment
	before := e != nil && e.APIBase == v.environment.APIBase && e.CloudName == v.environment.CloudName
	return before || v.primary == environmentUnit(v.environment)
}

// holdEndpoint makes sure that an endpoint cannot go before what uses it has been released.
func (r *Reconciler) holdEndpoint(ctx context.Context, ep *endpointView) error {
	if controllerutil.ContainsFinalizer(ep, v1alpha1.Finalizer) {
		return nil
	}
	own := ep.DeepCopy()
	if err := r.addFinalizer(ctx, own); err != nil {
		return err
	}
	ep.NotificationEndpoint = own
	return nil
}

func (r *Reconciler) environmentStatus(e cloudinary.Environment, use usage) *v1alpha1.EnvironmentStatus {
	bounded := func(n int) *int32 { return new(int32(max(0, min(n, maxURLs)))) }
	s := &v1alpha1.EnvironmentStatus{APIBase: e.APIBase, CloudName: e.CloudName, URLLimit: bounded(r.Options.URLLimit)}
	if use.urls != nil {
		s.URLsUsed = bounded(*use.urls)
		s.URLs = fmt.Sprintf("%d/%d", *s.URLsUsed, *s.URLLimit)
	}
	if use.plan > 0 {
		s.CallShare = fmt.Sprintf("%d/%d", use.share, use.plan)
	}
	if use.waiting > 0 {
		s.ChangesWaiting = bounded(use.waiting)
	}
	return s
}

// nearLimit is the share of the limit of URLs from which on people are warned.
const nearLimit = 0.9

// limitNotes warns before the limit of URLs is reached.
func (r *Reconciler) limitNotes(urls int) []check.Finding {
	if float64(urls) < nearLimit*float64(r.Options.URLLimit) {
		return nil
	}
	return []check.Finding{{Why: "nearly all notification URLs that the product environment may hold are in use, see status.environment.urls; further ones will be refused"}}
}

// usesEndpoint says whether a trigger that refers to the endpoint still holds something at Cloudinary.
func (w *world) usesEndpoint(key plan.Key) bool {
	if w.inUse == nil {
		w.inUse = map[plan.Key]bool{}
		for _, t := range w.triggers {
			if len(t.Status.Registrations) > 0 {
				w.inUse[endpointKeyOf(t)] = true
			}
		}
	}
	return w.inUse[key]
}
