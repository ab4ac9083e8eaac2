// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

const longPlan = `Show what the operator would create, change and delete at Cloudinary, and what it would say about each object.

With --filename, plan applies the manifests to the objects of the cluster, in the way of the tool that --applier names. Other objects of
the cluster stay as they are. Without --filename, plan uses the cluster as it is. The operator's own code decides, from Cloudinary's list of
triggers, which is read once for each set of credentials. Nothing is written, neither in the cluster nor at Cloudinary.

The credentials are those of the Secrets that endpoints name: from the manifests, else from the cluster, as far as you may read them.
--credentials-from-env uses CLOUDINARY_URL for all of them instead. If a Secret is missing, or you may not read something, plan leaves
out the objects that need it.

With --exit-code, plan exits with

  0  if nothing would change
  1  if something went wrong, or an input is missing: a Secret, or something that you may not read
  2  if there are changes
  3  if an object would not be accepted, or most likely has a mistake, such as a misspelled event type`

const examplePlan = `  # What these manifests would do
  kubectl cloudinary plan -f triggers/ -R

  # What a kustomization would do, in a pipeline: exit code 2 if there are changes, 3 if an object would be refused
  kubectl kustomize . | kubectl cloudinary plan -f - --exit-code

  # What Argo CD would do with it, with the sync option ServerSideApply=true
  kubectl kustomize . | kubectl cloudinary plan -f - --applier=argocd

  # Without access to the Secrets
  CLOUDINARY_URL=cloudinary://... kubectl cloudinary plan -f triggers/ --credentials-from-env

  # What the operator would do with the objects of the cluster
  kubectl cloudinary plan -A`

// The exit codes of plan --exit-code if nothing else goes wrong.
const (
	errChanges = exitError(2)
	errRefused = exitError(3)
)

// reasonNotRead is the plugin's own reason: the user may not read the input of a verdict.
const reasonNotRead = "NotRead"

type planOptions struct {
	files           filesOptions
	applier         applierOptions
	all             bool
	exitCode        bool
	fromEnv         bool
	showURLs        bool
	urlLimit        int
	receiverBaseURL string
	insecure        bool
	apiBases        string
	timeout         time.Duration
	output          output
}

func (c *cli) planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what the operator would do at Cloudinary", Long: longPlan, Example: examplePlan,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.plan(cmd.Context(), o) },
	}
	f := cmd.Flags()
	addFiles(cmd, &o.files, "Manifests to apply to the cluster: files, folders, or - for the standard input.")
	addApplier(cmd, &o.applier)
	f.BoolVarP(&o.all, "all-namespaces", "A", false, "Show the objects of all namespaces.")
	f.BoolVar(&o.exitCode, "exit-code", false, "Exit with 3 if an object would not be accepted or most likely has a mistake; else with 1 if an input is missing, for example a Secret; else with 2 if there are changes.")
	f.BoolVar(&o.fromEnv, "credentials-from-env", false, "Use CLOUDINARY_URL instead of the Secrets.")
	f.BoolVar(&o.showURLs, "show-urls", false, "Show URLs whole, with the tokens that they may carry.")
	f.IntVar(&o.urlLimit, "url-limit", 0, "The manager's --url-limit. Default: that of an endpoint's status, else 30.")
	f.StringVar(&o.receiverBaseURL, "receiver-base-url", "", "The manager's --receiver-base-url. Default: that of an endpoint's status.")
	orEnv(f, "receiver-base-url", envReceiverBaseURL)
	f.BoolVar(&o.insecure, flagInsecureBase, false, "Call Admin APIs that are not https, as the manager's flag of this name.")
	f.StringVar(&o.apiBases, flagAPIBases, "", "The manager's --allowed-api-bases: Admin APIs that are called besides Cloudinary's own.")
	f.DurationVar(&o.timeout, "call-timeout", defaultCallTimeout, "How long one Admin API call may take.")
	addOutput(cmd, &o.output, outputWide, outputJSON, outputYAML)
	return cmd
}

// planReport is what plan prints as JSON.
type planReport struct {
	Environments []environmentPlan `json:"environments"`
	Objects      []objectPlan      `json:"objects"`
	Summary      map[string]int    `json:"summary"`
	// Refused is the number of objects that would not be accepted, or that most likely have a
	// mistake. Above 0, --exit-code exits with 3.
	Refused int `json:"refused"`
	// Unknown are the missing inputs. If there are any, --exit-code exits with 1.
	Unknown []string `json:"unknown,omitempty"`
}

type environmentPlan struct {
	APIBase    string     `json:"apiBase"`
	CloudName  string     `json:"cloudName"`
	URLsBefore int        `json:"urlsBefore"`
	URLsAfter  int        `json:"urlsAfter"`
	URLLimit   int        `json:"urlLimit"`
	Steps      []stepPlan `json:"steps"`
}

type stepPlan struct {
	Action      string           `json:"action"`
	Cause       string           `json:"cause"`
	EventType   string           `json:"eventType"`
	URL         string           `json:"url"`
	ID          string           `json:"id,omitempty"`
	Namespace   string           `json:"namespace"`
	Name        string           `json:"name"`
	Differences []differencePlan `json:"differences,omitempty"`
	// Silent are the changed fields that the manifest does not set.
	Silent  []string `json:"silent,omitempty"`
	Blocked bool     `json:"blocked,omitempty"`
}

type differencePlan struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Have  string `json:"have"`
	// Hidden reports whether the two differ in a hidden part of a URL.
	Hidden bool `json:"hidden,omitempty"`
}

type objectPlan struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	New       bool   `json:"new,omitempty"`
	Changed   bool   `json:"changed,omitempty"` // the cluster has it with another spec
	NotRead   bool   `json:"notRead,omitempty"` // whether it is new is not known

	Accepted        string `json:"accepted"`
	AcceptedReason  string `json:"acceptedReason"`
	AcceptedMessage string `json:"acceptedMessage,omitempty"`
	Synced          string `json:"synced"`
	SyncedReason    string `json:"syncedReason"`
	SyncedMessage   string `json:"syncedMessage,omitempty"`

	// Notes are the notes on the object. The messages have them too.
	Notes []notePlan `json:"notes,omitempty"`
	// Refused reports whether the object would not be accepted, or most likely has a mistake.
	Refused bool `json:"refused,omitempty"`
}

// notePlan is a note. Doubt reports whether it is about a likely mistake.
type notePlan struct {
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	Doubt   bool   `json:"doubt,omitempty"`
}

func (c *cli) plan(ctx context.Context, o planOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	bases, err := parseBases(o.apiBases)
	if err != nil {
		return err
	}
	applier, err := o.applier.applier()
	if err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	manifests, err := o.files.read(c.Streams.In, cl.namespace)
	if err != nil {
		return err
	}
	if manifests.foreign() {
		c.warn("none of the manifests is for the operator: %s ignored", counted(manifests.ignored, "object"))
	}
	s := &scene{cli: c, cluster: cl, options: o, applier: applier, bases: bases, manifests: manifests, namespace: cl.namespace, sight: newSight()}
	if o.all {
		s.namespace = ""
	}
	in, err := s.gather(ctx)
	if err != nil {
		return err
	}
	report := newPlanReport(forecast.Make(in), in.Options.URLLimit, s, o.showURLs)
	done, err := o.output.structured(c.Streams.Out, report)
	if !done {
		err = c.printPlan(report, o)
	}
	if report.needsFlagsOfTheManager() {
		c.warn("plan calls other Admin APIs than Cloudinary's only where it is told to: if the manager has --%s or --%s, give them to plan as well", flagAPIBases, flagInsecureBase)
	}
	switch {
	case err != nil || !o.exitCode:
		return err
	case report.Refused > 0:
		if len(s.unknown) > 0 {
			c.warn("%s", s.notWhole())
		}
		return errRefused
	case len(s.unknown) > 0:
		return errors.New(s.notWhole())
	case report.changes() > 0:
		return errChanges
	}
	return nil
}

// notWhole is the error for a plan with missing inputs.
func (s *sight) notWhole() string {
	return "the plan is incomplete. Missing inputs: " + strings.Join(s.unknown, "; ")
}

func (r planReport) changes() int {
	n := 0
	for _, count := range r.Summary {
		n += count
	}
	return n
}

// needsFlagsOfTheManager reports whether an object is refused because of its Admin API, which a
// flag of the manager may allow.
func (r planReport) needsFlagsOfTheManager() bool {
	return slices.ContainsFunc(r.Objects, func(o objectPlan) bool {
		return o.AcceptedReason == v1alpha1.ReasonAPIBaseNotAllowed || o.AcceptedReason == v1alpha1.ReasonInsecureAPIBase
	})
}

func newPlanReport(result forecast.Result, urlLimit int, s *scene, showURLs bool) planReport {
	report := planReport{
		Environments: []environmentPlan{}, Objects: []objectPlan{},
		Summary: map[string]int{}, Unknown: s.unknown,
	}
	for _, action := range actions() {
		report.Summary[action.String()] = 0
	}
	for _, env := range result.Environments {
		e := environmentPlan{
			APIBase: env.Environment.APIBase, CloudName: env.Environment.CloudName,
			URLsBefore: env.URLsBefore, URLsAfter: env.URLsAfter, URLLimit: urlLimit, Steps: []stepPlan{},
		}
		for _, step := range env.Steps {
			report.Summary[step.Action.String()]++
			e.Steps = append(e.Steps, newStepPlan(step, showURLs))
		}
		report.Environments = append(report.Environments, e)
	}
	for _, ep := range result.Endpoints {
		if s.shows(kindEndpoint, ep.Key) {
			report.Objects = append(report.Objects, newObjectPlan(kindEndpoint, ep, s))
		}
	}
	for _, t := range result.Triggers {
		if s.shows(kindTrigger, t.Key) {
			report.Objects = append(report.Objects, newObjectPlan(kindTrigger, t, s))
		}
	}
	s.addInvalid(&report)
	for i := range report.Objects {
		if report.Objects[i].Refused {
			report.Refused++
		}
	}
	return report
}

// addInvalid adds the objects that the API server would refuse. The objects of the cluster with
// their names stay as they are, and are not shown.
func (s *scene) addInvalid(report *planReport) {
	for i := range s.manifests.endpoints {
		s.addRefused(report, kindEndpoint, resolve.KeyOf(&s.manifests.endpoints[i]))
	}
	for i := range s.manifests.triggers {
		s.addRefused(report, kindTrigger, resolve.KeyOf(&s.manifests.triggers[i]))
	}
}

func (s *scene) addRefused(report *planReport, kind string, key plan.Key) {
	why := s.invalid[identity(kind, key)]
	if why == "" {
		return
	}
	refused := objectPlan{
		Kind: kind, Namespace: key.Namespace, Name: key.Name, New: s.isNew(kind, key), NotRead: s.notRead(kind, key), Refused: true,
		Accepted: string(metav1.ConditionFalse), AcceptedReason: reasonInvalid, AcceptedMessage: "The API server refuses the manifest: " + why,
		Synced: string(metav1.ConditionFalse), SyncedReason: v1alpha1.ReasonNotAccepted,
	}
	refused.New = refused.New && !refused.NotRead
	at := slices.IndexFunc(report.Objects, func(o objectPlan) bool { return o.Kind == kind && o.Namespace == key.Namespace && o.Name == key.Name })
	if at < 0 {
		report.Objects = append(report.Objects, refused)
		return
	}
	report.Objects[at] = refused
}

func actions() []plan.Action {
	return []plan.Action{plan.Create, plan.Update, plan.Replace, plan.Delete}
}

func newStepPlan(step forecast.Step, showURLs bool) stepPlan {
	show := redacted
	if showURLs {
		show = func(url string) string { return url }
	}
	p := stepPlan{
		Action: step.Action.String(), Cause: string(step.Cause), EventType: step.EventType, URL: show(step.URL), ID: step.ID,
		Namespace: step.Object.Namespace, Name: step.Object.Name, Blocked: step.Blocked,
	}
	for _, d := range step.Differences {
		shown := differencePlan{Field: d.Field, Want: d.Want, Have: d.Have}
		if d.Field == fieldURL {
			shown.Want, shown.Have = show(d.Want), show(d.Have)
			shown.Hidden = shown.Want == shown.Have
		}
		p.Differences = append(p.Differences, shown)
	}
	for _, d := range step.Silent {
		p.Silent = append(p.Silent, d.Field)
	}
	return p
}

func newObjectPlan(kind string, o forecast.Object, s *scene) objectPlan {
	p := objectPlan{Kind: kind, Namespace: o.Key.Namespace, Name: o.Key.Name, New: s.isNew(kind, o.Key), Changed: s.changed[identity(kind, o.Key)], NotRead: s.notRead(kind, o.Key)}
	if p.NotRead {
		p.New = false
	}
	if ep, unseen := s.unseenEndpoint(o.Key); unseen && kind == kindTrigger {
		p.Accepted, p.AcceptedReason = string(metav1.ConditionUnknown), reasonNotRead
		p.AcceptedMessage = fmt.Sprintf("NotificationEndpoint %s cannot be read", ep)
		p.Synced, p.SyncedReason, p.SyncedMessage = p.Accepted, p.AcceptedReason, p.AcceptedMessage
		return p
	}
	for _, c := range o.Conditions {
		switch c.Type {
		case "Accepted":
			p.Accepted, p.AcceptedReason, p.AcceptedMessage = string(c.Status), c.Reason, c.Message
		case "Synced":
			p.Synced, p.SyncedReason, p.SyncedMessage = string(c.Status), c.Reason, c.Message
		}
	}
	p.Refused = p.Accepted == string(metav1.ConditionFalse) && !waitsForSecret(p.AcceptedReason)
	for _, note := range o.Notes {
		p.Notes = append(p.Notes, notePlan{note.Field, note.String(), note.Severity == check.Doubt})
		p.Refused = p.Refused || note.Severity == check.Doubt
	}
	return p
}

// waitsForSecret reports whether a reason is about a missing Secret, or about one that the plugin
// may not read: the report has that as Unknown.
func waitsForSecret(reason string) bool {
	return slices.Contains([]string{
		v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretForbidden, v1alpha1.ReasonSecretInvalid,
		v1alpha1.ReasonInsecureAPIBase, v1alpha1.ReasonAPIBaseNotAllowed, v1alpha1.ReasonEndpointWaiting,
	}, reason)
}
