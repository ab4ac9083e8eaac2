// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

const longPreview = `Try a trigger manifest with a notification: whether the filter lets it through, and which body and headers Cloudinary would send.

The spec is checked as the API server and the operator do. Filters are evaluated as JSONLogic's reference implementation does, templates
as the bundled simulator does. If Cloudinary's documentation does not say something, for example how a list prints in a template,
Cloudinary itself may behave differently.

No cluster is needed, unless --secret names a Secret to sign with. The exit code is 1 if a trigger would not be accepted, or if
there is no sample of an event type, for example because it is misspelled. Otherwise it is 0, whether the trigger fires or not.`

const examplePreview = `  # With a sample of each of the manifest's event types
  kubectl cloudinary preview -f trigger.yaml

  # With a notification that was received
  kubectl cloudinary preview -f trigger.yaml --notification upload.json

  # Signed, as it would arrive
  kubectl cloudinary preview -f trigger.yaml --event-type upload -n shop --secret cloudinary`

type previewOptions struct {
	files        filesOptions
	notification string
	eventType    string
	secret       string
	fromEnv      bool
	algorithm    string
	output       output
}

func (c *cli) previewCommand() *cobra.Command {
	var o previewOptions
	cmd := &cobra.Command{
		Use: "preview -f FILENAME", Short: "Try a trigger's filter and template with a notification", Long: longPreview, Example: examplePreview,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.preview(cmd.Context(), o) },
	}
	addFiles(cmd, &o.files, "Manifests with the triggers: files, folders, or - for the standard input.")
	f := cmd.Flags()
	f.StringVar(&o.notification, "notification", "", "A file with the notification, as JSON. Default: a sample of the event type.")
	f.StringVar(&o.eventType, "event-type", "", "The event type. Default: that of the notification, else each of the trigger's.")
	f.StringVar(&o.secret, "secret", "", "A Secret to sign with.")
	f.BoolVar(&o.fromEnv, "credentials-from-env", false, "Sign with the API secret of CLOUDINARY_URL.")
	f.StringVar(&o.algorithm, "algorithm", string(sample.SHA1), "How to sign: sha1, Cloudinary's default, or sha256.")
	addOutput(cmd, &o.output, outputJSON, outputYAML)
	completeEventTypes(cmd)
	// Fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc("secret", c.completeFlag(allSecretNames))
	_ = cmd.RegisterFlagCompletionFunc("algorithm", cobra.FixedCompletions(algorithms(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// rehearsal is what preview prints as JSON, for each trigger and event type.
type rehearsal struct {
	Trigger   string `json:"trigger"`
	EventType string `json:"eventType"`
	Sample    bool   `json:"sample,omitempty"`
	// SampleFrom is the source of the sample: captured, documented, consumed or assumed.
	SampleFrom string            `json:"sampleFrom,omitempty"`
	Listens    bool              `json:"listens"`
	Filter     string            `json:"filter"`            // one of the constants below
	Untried    string            `json:"untried,omitempty"` // why it cannot be tried here
	Fires      bool              `json:"fires"`
	BodyFrom   string            `json:"bodyFrom,omitempty"`
	Body       json.RawMessage   `json:"body,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
	Problems   []string          `json:"problems,omitempty"`

	sent []byte // Body, byte for byte
}

func (c *cli) preview(ctx context.Context, o previewOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	namespace, err := c.namespace()
	if err != nil {
		return err
	}
	m, err := o.files.read(c.Streams.In, namespace)
	if err != nil {
		return err
	}
	if len(m.triggers) == 0 {
		return errors.New("--filename: no CloudinaryTrigger there")
	}
	credentials, err := c.signingCredentials(ctx, namespace, o)
	if err != nil {
		return err
	}
	var given []byte
	if o.notification != "" {
		if given, err = c.readFile(o.notification); err != nil {
			return fmt.Errorf("--notification: %w", err)
		}
		if !isObject(given) {
			return errors.New("--notification: must hold one JSON object")
		}
	}
	var results []rehearsal
	for i := range m.triggers {
		t := &m.triggers[i]
		for _, eventType := range eventTypesOf(t, o.eventType, given) {
			results = append(results, c.rehearse(t, eventType, given, o, credentials))
		}
	}
	return c.printRehearsals(results, o)
}

func (o *previewOptions) check() error {
	if err := o.output.check(); err != nil {
		return err
	}
	switch {
	case !o.files.given():
		return errors.New("--filename is needed: a file with a CloudinaryTrigger")
	case slices.Contains(o.files.names, "-") && o.notification == "-":
		return errors.New("--filename and --notification cannot both be the standard input")
	case !slices.Contains(algorithms(), o.algorithm):
		return fmt.Errorf("--algorithm %q is not one of %s", o.algorithm, strings.Join(algorithms(), ", "))
	case o.eventType == "all", o.eventType != "" && o.notification == "":
		return checkEventType(o.eventType)
	}
	return nil
}

func isObject(raw []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(raw, &object) == nil && object != nil
}

// signingCredentials are nil if nothing is signed.
func (c *cli) signingCredentials(ctx context.Context, namespace string, o previewOptions) (*cloudinary.Credentials, error) {
	var credentials cloudinary.Credentials
	var err error
	switch {
	case o.fromEnv:
		credentials, err = c.envCredentials()
	case o.secret != "":
		var cl *cluster
		if cl, err = c.connect(); err == nil {
			credentials, err = cl.secretCredentials(ctx, namespace, o.secret)
		}
	default:
		return nil, nil // both are answers
	}
	if err == nil && credentials.APISecret == "" {
		err = errors.New("the credentials have no api_secret to sign with")
	}
	return &credentials, err
}

// eventTypesOf are the event types for the rehearsal of a trigger: that of the flag, else of the
// notification, else its own.
func eventTypesOf(t *v1alpha1.CloudinaryTrigger, asked string, given []byte) []string {
	if asked != "" {
		return []string{asked}
	}
	var says struct {
		Type string `json:"notification_type"`
	}
	if len(given) > 0 && json.Unmarshal(given, &says) == nil && says.Type != "" {
		return []string{says.Type}
	}
	var types []string
	for _, eventType := range t.Spec.EventTypes {
		if eventType == "all" {
			eventType = "upload"
		}
		if !slices.Contains(types, eventType) {
			types = append(types, eventType)
		}
	}
	if len(types) == 0 {
		return []string{""} // so that what is wrong with the trigger is said
	}
	return types
}

// The values of a rehearsal's filter.
const (
	filterNone    = "none"
	filterMatch   = "match"
	filterNoMatch = "no match"
	filterInvalid = "invalid"
	// filterUntried is for a trigger with another problem. filterUntriable is for a filter that may
	// work at Cloudinary.
	filterUntried   = "not tried"
	filterUntriable = "cannot be tried here"
)

func (c *cli) rehearse(t *v1alpha1.CloudinaryTrigger, eventType string, given []byte, o previewOptions, credentials *cloudinary.Credentials) rehearsal {
	r := rehearsal{
		Trigger: t.Namespace + "/" + t.Name, EventType: eventType, Sample: given == nil, Filter: filterNone,
		Listens:  slices.Contains(t.Spec.EventTypes, eventType) || slices.Contains(t.Spec.EventTypes, "all"),
		Problems: specProblems(&t.Spec),
	}
	in := firing.Rehearsal{EventType: eventType}
	if f := t.Spec.Filter; f != nil {
		in.Filter = f.Raw
	}
	if template := t.Spec.PayloadTemplate; template != nil {
		in.PayloadTemplate = template.Raw
	}
	if r.Sample && len(r.Problems) == 0 && notification.ClosestEventType(eventType) != "" && !notification.KnownEventType(eventType) {
		r.Problems = append(r.Problems, "spec.eventTypes: "+notification.EventTypeDoubt(eventType)+"; if Cloudinary has it, give one of its notifications with --notification")
	}
	isFilter := r.checkSpec(&t.Spec)
	switch {
	case isFilter:
		r.Filter = filterInvalid
	case len(r.Problems) > 0 && isSet(in.Filter):
		r.Filter = filterUntried
	}
	if len(r.Problems) > 0 {
		return r // there will be no such trigger
	}
	r.Notes = notesOn(t, eventType, given)
	if given == nil {
		r.SampleFrom = string(eventbody.SourceOf(eventType))
		cloud, key := "my-cloud", "123456789012345"
		if credentials != nil {
			cloud, key = credentials.CloudName, credentials.APIKey
		}
		given = sample.Notification(eventType, cloud, key, c.Now())
	}
	in.Notification = given
	if r.try(in); r.Sample {
		r.distrust(in.Filter)
	}
	if r.sent != nil {
		r.Headers = c.headers(r.sent, t.Spec.AuthScheme, o, credentials)
	}
	return r
}

// checkSpec adds the problems for which the operator refuses the manifest, and reports whether the
// filter is among them.
func (r *rehearsal) checkSpec(spec *v1alpha1.CloudinaryTriggerSpec) (isFilter bool) {
	for _, f := range check.Refusals(check.Trigger(spec)) {
		isFilter = isFilter || f.Reason == v1alpha1.ReasonInvalidFilter
		r.Problems = append(r.Problems, f.String())
	}
	return isFilter
}

// isSet reports whether there is a filter: an empty object is not a filter.
func isSet(filter json.RawMessage) bool {
	text, err := plan.CanonicalJSON(filter)
	return err == nil && text != ""
}

// try skips a filter or template that the operator accepts and internal/firing does not.
func (r *rehearsal) try(in firing.Rehearsal) {
	done, err := firing.Rehearse(in)
	if err != nil {
		done.FilterFailure = err.Error()
	}
	r.Untried = done.FilterFailure
	if isSet(in.Filter) {
		switch {
		case r.Untried != "":
			r.Filter = filterUntriable
		case done.Passes:
			r.Filter = filterMatch
		default:
			r.Filter = filterNoMatch
		}
	}
	if err != nil {
		return
	}
	r.Fires = r.Listens && done.Passes
	r.sent, r.BodyFrom, r.Body = done.Body, done.BodyFrom, done.Body
	if done.FallbackReason != "" {
		r.BodyFrom += " (the template cannot be rendered: " + done.FallbackReason + ")"
	}
}

// distrust removes the result for a sample if the event type is unknown, or if the filter depends
// on unknown members of such notifications.
func (r *rehearsal) distrust(filter json.RawMessage) {
	if r.Untried != "" {
		return
	}
	r.Untried = notification.EventTypeDoubt(r.EventType)
	unsure := eventbody.Unsure(filter, r.EventType)
	if len(unsure) == 0 {
		r.Fires = r.Fires && r.Untried == ""
		return
	}
	r.Filter, r.Fires, r.sent, r.BodyFrom, r.Body = filterUntriable, false, nil, "", nil
	r.Untried = "nobody has published a notification of " + r.EventType + ", so it is not known whether it has " + strings.Join(unsure, ", ") +
		"; try one that was received, with --notification"
}

// notesOn are the notes on an accepted trigger that concern the event type, unless the given
// notification refutes them.
func notesOn(t *v1alpha1.CloudinaryTrigger, eventType string, given json.RawMessage) []string {
	var filter, template json.RawMessage
	if t.Spec.Filter != nil {
		filter = t.Spec.Filter.Raw
	}
	if t.Spec.PayloadTemplate != nil {
		template = t.Spec.PayloadTemplate.Raw
	}
	types := t.Spec.EventTypes
	if !slices.Contains(types, eventType) {
		types = append(slices.Clone(types), eventType)
	}
	var notes []string
	for _, doubt := range eventbody.Doubts(filter, template, types) {
		if doubt.Concerns(eventType) && !doubt.Refuted(given) {
			notes = append(notes, doubt.String())
		}
	}
	if doubt := notification.EventTypeDoubt(eventType); doubt != "" && given != nil {
		notes = append(notes, doubt)
	}
	return notes
}

// headers are the headers of the authentication scheme, with placeholders for unknown values.
func (c *cli) headers(body []byte, scheme v1alpha1.AuthScheme, o previewOptions, credentials *cloudinary.Credentials) map[string]string {
	headers := map[string]string{"Content-Type": "application/json", "User-Agent": "Cloudinary"}
	var signed http.Header
	if credentials != nil {
		signed = sample.Sign(sample.Algorithm(o.algorithm), body, c.Now(), credentials.APISecret)
	} else {
		digits := map[string]int{string(sample.SHA1): 40, string(sample.SHA256): 64}[o.algorithm]
		signed = http.Header{
			"X-Cld-Timestamp": {"<seconds since 1970>"},
			"X-Cld-Signature": {fmt.Sprintf("<%d hex digits: %s of body, timestamp and API secret>", digits, o.algorithm)},
		}
	}
	headers["X-Cld-Timestamp"] = signed.Get("X-Cld-Timestamp")
	if scheme != v1alpha1.AuthSchemeEdDSAV2 {
		headers["X-Cld-Signature"] = signed.Get("X-Cld-Signature")
	}
	if scheme != v1alpha1.AuthSchemeLegacyHMAC {
		headers["X-Cld-Signature_v2"] = "<made with Cloudinary's private key>"
	}
	return headers
}

func (c *cli) printRehearsals(results []rehearsal, o previewOptions) error {
	done, err := o.output.structured(c.Streams.Out, results)
	problems := 0
	for i := range results {
		if len(results[i].Problems) > 0 {
			problems++
		}
		if !done {
			c.printRehearsal(&results[i], i > 0)
		}
	}
	if err == nil && problems > 0 {
		return fmt.Errorf("%d of %d previews show a trigger that would not be accepted", problems, len(results))
	}
	return err
}

func (c *cli) printRehearsal(r *rehearsal, blank bool) {
	out := c.Streams.Out
	if blank {
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "Trigger:  %s\nEvent:    %s\n", r.Trigger, printable(r.event()))
	if !r.Listens && r.EventType != "" {
		fmt.Fprintf(out, "          not in spec.eventTypes: the trigger does not fire for it\n")
	}
	fmt.Fprintf(out, "Filter:   %s\n", r.Filter)
	if r.Untried != "" {
		fmt.Fprintf(out, "          %s\n", printable(r.Untried))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(out, "Note:     %s\n", printable(note))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(out, "Problem:  %s\n", printable(p))
	}
	if len(r.Problems) > 0 {
		return
	}
	fires := "no"
	switch {
	case r.Fires:
		fires = "yes"
	case r.Listens && r.Untried != "":
		fires = "unknown"
	}
	fmt.Fprintf(out, "Fires:    %s\n", fires)
	if r.sent == nil {
		return
	}
	fmt.Fprintln(out, "Headers:")
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		fmt.Fprintf(out, "  %s: %s\n", name, r.Headers[name])
	}
	fmt.Fprintf(out, "Body:     %s, %d bytes\n", printable(r.BodyFrom), len(r.sent))
	fmt.Fprintf(out, "  %s\n", indented(r.sent))
}

func (r *rehearsal) event() string {
	switch {
	case r.EventType == "":
		return "none"
	case r.SampleFrom == string(eventbody.Assumed):
		return r.EventType + ", a sample; its form is an assumption"
	case r.Sample:
		return r.EventType + ", a sample"
	default:
		return r.EventType + ", the notification given"
	}
}
