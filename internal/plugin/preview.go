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
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const longPreview = `Try a trigger manifest with a notification: whether the filter lets it through, which body would be sent and with which headers.

Filters and templates are judged as the operator does and evaluated as the bundled simulator does. Where Cloudinary's documentation is
silent, for example on how a list prints in a template, Cloudinary itself may do otherwise.

No cluster is needed, unless --secret names a Secret to sign with.`

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
	f.StringVar(&o.eventType, "event-type", "", "The event type. Default: what the notification says, else each of the trigger's.")
	f.StringVar(&o.secret, "secret", "", "A Secret to sign with.")
	f.BoolVar(&o.fromEnv, "credentials-from-env", false, "Sign with the API secret of CLOUDINARY_URL.")
	f.StringVar(&o.algorithm, "algorithm", string(simulator.SignatureSHA1), "How to sign: sha1, Cloudinary's default, or sha256.")
	addOutput(cmd, &o.output, outputJSON, outputYAML)
	completeEventTypes(cmd)
	_ = cmd.RegisterFlagCompletionFunc("secret", c.completeNames(secretNames)) // fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc("algorithm", cobra.FixedCompletions(algorithms(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// rehearsal is what preview prints as JSON, for each trigger and event type.
type rehearsal struct {
	Trigger   string            `json:"trigger"`
	EventType string            `json:"eventType"`
	Sample    bool              `json:"sample,omitempty"`
	Listens   bool              `json:"listens"`
	Filter    string            `json:"filter"` // none, match, no match or invalid
	Fires     bool              `json:"fires"`
	BodyFrom  string            `json:"bodyFrom,omitempty"`
	Body      json.RawMessage   `json:"body,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Problems  []string          `json:"problems,omitempty"`

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
	case o.eventType == "all":
		return checkEventType(o.eventType)
	}
	return nil
}

func isObject(raw []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(raw, &object) == nil && object != nil
}

// signingCredentials are nil where nothing is to be signed.
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
		return nil, nil //nolint:nilnil // both are answers
	}
	if err == nil && credentials.APISecret == "" {
		err = errors.New("the credentials have no api_secret to sign with")
	}
	return &credentials, err
}

// eventTypesOf are those to try a trigger with: what the flag says, else the notification, else its own.
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
	return types
}

// The values of a rehearsal's filter.
const (
	filterNone    = "none"
	filterMatch   = "match"
	filterNoMatch = "no match"
	filterInvalid = "invalid"
)

func (c *cli) rehearse(t *v1alpha1.CloudinaryTrigger, eventType string, given []byte, o previewOptions, credentials *cloudinary.Credentials) rehearsal {
	r := rehearsal{
		Trigger: t.Namespace + "/" + t.Name, EventType: eventType, Sample: given == nil, Filter: filterNone,
		Listens: slices.Contains(t.Spec.EventTypes, eventType) || slices.Contains(t.Spec.EventTypes, "all"),
	}
	if given == nil {
		cloud, key := "my-cloud", "123456789012345"
		if credentials != nil {
			cloud, key = credentials.CloudName, credentials.APIKey
		}
		given = simulator.SampleNotification(eventType, cloud, key, c.Now())
	}
	in := simulator.Rehearsal{EventType: eventType, Notification: given}
	if f := t.Spec.Filter; f != nil {
		in.Filter = f.Raw
		if err := plan.CheckFilter(f.Raw); err != nil {
			r.Filter, in.Filter = filterInvalid, nil
			r.Problems = append(r.Problems, "spec."+err.Error())
		}
	}
	if tmpl := t.Spec.PayloadTemplate; tmpl != nil {
		in.PayloadTemplate = tmpl.Raw
		if err := plan.CheckTemplate(tmpl.Raw); err != nil {
			r.Problems = append(r.Problems, "spec."+err.Error())
		}
	}
	if len(r.Problems) > 0 {
		return r // the operator accepts no such trigger
	}
	r.try(in)
	if len(r.Problems) == 0 {
		r.Headers = c.headers(r.sent, t.Spec.AuthScheme, o, credentials)
	}
	return r
}

func (r *rehearsal) try(in simulator.Rehearsal) {
	done, err := simulator.Rehearse(in)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
		return
	}
	filter, err := plan.CanonicalJSON(in.Filter)
	if err == nil && filter != "" {
		r.Filter = filterNoMatch
		if done.Passes {
			r.Filter = filterMatch
		}
	}
	r.Fires = r.Listens && done.Passes
	r.sent, r.BodyFrom, r.Body = done.Body, done.BodyFrom, done.Body
	if done.FallbackReason != "" {
		r.BodyFrom += " (the template cannot be rendered: " + done.FallbackReason + ")"
	}
}

// headers are those of the authentication scheme, with placeholders for what cannot be known.
func (c *cli) headers(body []byte, scheme v1alpha1.AuthScheme, o previewOptions, credentials *cloudinary.Credentials) map[string]string {
	headers := map[string]string{"Content-Type": "application/json", "User-Agent": "Cloudinary"}
	var signed http.Header
	if credentials != nil {
		signed = simulator.SignatureHeaders(simulator.SignatureAlgorithm(o.algorithm), body, c.Now(), credentials.APISecret)
	} else {
		digits := map[string]int{string(simulator.SignatureSHA1): 40, string(simulator.SignatureSHA256): 64}[o.algorithm]
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
		return fmt.Errorf("%d of %d previews show a trigger that the operator would not accept", problems, len(results))
	}
	return err
}

func (c *cli) printRehearsal(r *rehearsal, blank bool) {
	out := c.Streams.Out
	if blank {
		fmt.Fprintln(out)
	}
	kind := "the notification given"
	if r.Sample {
		kind = "a sample"
	}
	fmt.Fprintf(out, "Trigger:  %s\nEvent:    %s, %s\n", r.Trigger, r.EventType, kind)
	if !r.Listens {
		fmt.Fprintf(out, "          not in spec.eventTypes: the trigger does not fire for it\n")
	}
	fmt.Fprintf(out, "Filter:   %s\n", r.Filter)
	for _, p := range r.Problems {
		fmt.Fprintf(out, "Problem:  %s\n", printable(p))
	}
	if len(r.Problems) > 0 {
		return
	}
	fires := "no"
	if r.Fires {
		fires = "yes"
	}
	fmt.Fprintf(out, "Fires:    %s\n", fires)
	fmt.Fprintln(out, "Headers:")
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		fmt.Fprintf(out, "  %s: %s\n", name, r.Headers[name])
	}
	fmt.Fprintf(out, "Body:     %s, %d bytes\n", printable(r.BodyFrom), len(r.sent))
	fmt.Fprintf(out, "  %s\n", indented(r.sent))
}
