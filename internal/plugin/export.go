// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/forecast"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

const longExport = `Print the notification triggers of a product environment as manifests: a NotificationEndpoint for each URL, and for it a
CloudinaryTrigger for each set of equal settings.

Once you apply them, the operator adopts the triggers as they are, without a write at Cloudinary. An adopted trigger stays when its
manifest is deleted. Before it prints anything, export checks that with the operator's own planning. If the operator would write all the
same, for example because Cloudinary's list does not show a setting, export warns and names the change. A trigger that no manifest can
express is left out, and named on the error stream. If export warns of null members, use kubectl apply --server-side: without it, kubectl
drops them.

URLs are printed whole, with the tokens that they may carry.

With --to-receiver, the bundled receiver gets the notifications and delivers them to a Service, at their former path.
Apply the export without it first: once the operator has adopted the triggers, it moves them in place, and their ids stay.`

const exampleExport = `  # The product environment of a Secret
  kubectl cloudinary export -n shop --secret cloudinary > triggers.yaml

  # The product environment of CLOUDINARY_URL, for a Secret named cloudinary that you create later
  CLOUDINARY_URL=cloudinary://... kubectl cloudinary export -n shop > triggers.yaml

  # Manifests with which the operator only observes
  kubectl cloudinary export -n shop --secret cloudinary --observe

  # Afterwards: the same triggers, at the receiver and delivered to the Service catalog
  kubectl cloudinary export -n shop --secret cloudinary --to-receiver catalog:80 > triggers.yaml`

type exportOptions struct {
	secret     string
	observe    bool
	toReceiver string
	baseURL    string
	insecure   bool
	apiBases   string
	timeout    time.Duration
	output     output
}

const (
	flagToReceiver = "to-receiver"
	flagBaseURL    = "base-url"
)

// defaultSecret is the Secret that manifests refer to if the credentials come from the environment
// variable.
const defaultSecret = "cloudinary"

func (c *cli) exportCommand() *cobra.Command {
	o := exportOptions{output: output{format: outputYAML}}
	cmd := &cobra.Command{
		Use: "export", Short: "Print a product environment's triggers as manifests", Long: longExport, Example: exampleExport,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.export(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.secret, "secret", "", "The Secret with the credentials. Default: the environment variable CLOUDINARY_URL.")
	f.BoolVar(&o.observe, "observe", false, "Set managementPolicy: Observe, so that the operator never writes at Cloudinary.")
	f.StringVar(&o.toReceiver, flagToReceiver, "", "Move the notifications of adopted triggers to the receiver, and deliver them to this Service, as NAME or NAME:PORT.")
	f.StringVar(&o.baseURL, flagBaseURL, "", "With --to-receiver: the receiver's public address. Default: the manager's --receiver-base-url.")
	f.BoolVar(&o.insecure, flagInsecureBase, false, "Call an Admin API that is not https.")
	f.StringVar(&o.apiBases, flagAPIBases, "", "Admin APIs that a Secret may name besides Cloudinary's own, as the manager's flag of this name. CLOUDINARY_URL may name any.")
	f.DurationVar(&o.timeout, "call-timeout", defaultCallTimeout, "How long the Admin API call may take.")
	addOutput(cmd, &o.output, outputYAML, outputJSON)
	// Fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc("secret", c.completeFlag(allSecretNames))
	return cmd
}

func (c *cli) export(ctx context.Context, o exportOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := o.checkMove(); err != nil {
		return err
	}
	namespace, credentials, bases, err := c.exportCredentials(ctx, o)
	if err != nil {
		return err
	}
	list := forecast.List{Begun: c.Now()}
	if list.Triggers, list.Meta, err = c.adminAPI(credentials, o.timeout, bases).ListTriggers(ctx); err != nil {
		return fmt.Errorf("%s: %w", credentials.Environment(), err)
	}
	secret := o.secret
	if secret == "" {
		secret = defaultSecret
	}
	to := target{namespace: namespace, secret: secret, environment: credentials.Environment()}
	to.present = c.presentIn(ctx, namespace, o)
	e := export(list.Triggers, to)
	if o.observe {
		for i := range e.triggers {
			e.triggers[i].Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
		}
	}
	for _, s := range e.skipped {
		c.warn("left out: trigger %s (%s at %s) %s", printable(s.ID), printable(s.EventType), redacted(s.URI), printable(s.reason))
	}
	if o.toReceiver == "" {
		c.warnOfWrites(e, credentials, &list)
	} else if err := c.move(ctx, &e, list.Triggers, to, o); err != nil {
		return err
	}
	c.warnOfNulls(e, o.observe)
	if o.secret != "" {
		c.warnOfHolders(ctx, list.Triggers, e)
	}
	return e.print(c.Streams.Out, o.output, to)
}

// exportCredentials reads the Secret, or the environment variable, which needs no cluster. It also
// returns the Admin APIs that export may call: a user who sets the environment variable has chosen
// one.
func (c *cli) exportCredentials(ctx context.Context, o exportOptions) (string, cloudinary.Credentials, cloudinary.APIBases, error) {
	var credentials cloudinary.Credentials
	bases, err := parseBases(o.apiBases)
	if err != nil {
		return "", credentials, bases, err
	}
	namespace, err := c.namespace()
	if err != nil {
		return "", credentials, bases, err
	}
	if o.secret == "" {
		credentials, err = c.envCredentials()
		bases = cloudinary.OneAPIBase(credentials.Environment().APIBase)
	} else {
		var cl *cluster
		if cl, err = c.connect(); err == nil {
			credentials, err = cl.secretCredentials(ctx, namespace, o.secret)
		}
	}
	if err == nil {
		err = checkBase(credentials, bases)
	}
	if err == nil {
		err = checkSecure(credentials, o.insecure)
	}
	return namespace, credentials, bases, err
}

// presentIn reads the names in a namespace. If it may not, a manifest may change another object.
func (c *cli) presentIn(ctx context.Context, namespace string, o exportOptions) present {
	if o.secret == "" {
		c.warn("without --secret, names are not compared with those in namespace %s: a manifest that shares its name with an existing object there will overwrite that object", namespace)
		return present{}
	}
	cl, err := c.connect()
	if err == nil {
		var p present
		if p, err = cl.present(ctx, namespace); err == nil {
			return p
		}
	}
	c.warn("names are not compared with those in namespace %s: %v; a manifest that shares its name with an existing object there will overwrite that object", namespace, err)
	return present{}
}

// warnOfHolders warns of triggers that an object of this cluster holds already, as far as the user
// may see those objects.
func (c *cli) warnOfHolders(ctx context.Context, triggers []cloudinary.Trigger, e exported) {
	cl, err := c.connect()
	if err != nil {
		return
	}
	objects, err := cl.triggers(ctx, "")
	if err != nil {
		objects, _ = cl.triggers(ctx, cl.namespace) // what cannot be seen is not told
	}
	there := map[string]bool{}
	for _, t := range triggers {
		there[t.ID] = true
	}
	for i := range objects {
		if slices.ContainsFunc(e.triggers, func(t v1alpha1.CloudinaryTrigger) bool { return resolve.KeyOf(&t) == resolve.KeyOf(&objects[i]) }) {
			continue // it is what an export before this one has brought
		}
		n := holds(&objects[i], there)
		if n > 0 {
			c.warn("CloudinaryTrigger %s of this cluster already manages %s of those exported; applied beside it, the exported manifests are in conflict with it", resolve.KeyOf(&objects[i]), counted(n, "trigger"))
		}
	}
}

// holds counts those of the triggers that an object holds, by their ids.
func holds(t *v1alpha1.CloudinaryTrigger, ids map[string]bool) int {
	n := 0
	for _, reg := range t.Status.Registrations {
		for _, held := range reg.Triggers {
			if ids[held.ID] {
				n++
			}
		}
	}
	return n
}

// warnOfWrites warns of the writes that the operator would make if the manifests were applied.
func (c *cli) warnOfWrites(e exported, credentials cloudinary.Credentials, list *forecast.List) {
	byObject := map[plan.Key]v1alpha1.CloudinaryTriggerSpec{}
	for i := range e.triggers {
		byObject[resolve.KeyOf(&e.triggers[i])] = e.triggers[i].Spec
	}
	for _, step := range e.steps(credentials, list, c.Now()) {
		what := "settings that the list does not show would be set to Cloudinary's defaults, or to what the manifest says"
		if len(step.Differences) > 0 {
			var fields []string
			for _, d := range step.Differences {
				fields = append(fields, d.Field)
			}
			what = "it differs in " + strings.Join(fields, ", ")
		}
		c.warn("applying the manifest %s would %s trigger %s (%s at %s): %s; --observe prints manifests that never write",
			step.Object, step.Action, printable(step.ID), step.EventType, redacted(step.URL), what)
	}
}

// warnOfNulls warns of manifests that keep their meaning only under kubectl apply --server-side.
func (c *cli) warnOfNulls(e exported, observe bool) {
	outcome := "the operator would write that at Cloudinary"
	if observe {
		outcome = "the operator would call that drift"
	}
	for i := range e.triggers {
		if nulls := nullMembers(&e.triggers[i]); len(nulls) > 0 {
			c.warn("kubectl apply drops null members of the manifest %s, %s, and %s; use kubectl apply --server-side, which keeps them",
				resolve.KeyOf(&e.triggers[i]), strings.Join(nulls, ", "), outcome)
		}
	}
}

// steps are the steps of the operator in a cluster with only these manifests.
func (e *exported) steps(credentials cloudinary.Credentials, list *forecast.List, now time.Time) []forecast.Step {
	in := forecast.Input{
		Triggers: e.triggers, Endpoints: e.endpoints, Now: now, Options: forecast.DefaultOptions(),
		Secrets: map[plan.Key]forecast.Secret{},
	}
	in.Options.AllowInsecureAPIBase, in.Options.AllowedAPIBases = true, cloudinary.OneAPIBase(credentials.Environment().APIBase)
	for i := range e.endpoints {
		key := resolve.EndpointSecret(&e.endpoints[i])
		in.Secrets[key] = forecast.Secret{Secret: asSecret(key, credentials), List: list}
	}
	var steps []forecast.Step
	for _, env := range forecast.Make(in).Environments {
		steps = append(steps, env.Steps...)
	}
	return steps
}

func asSecret(key plan.Key, c cloudinary.Credentials) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Data: map[string][]byte{}}
	for name, value := range map[string]string{
		cloudinary.KeyCloudName: c.CloudName, cloudinary.KeyAPIKey: c.APIKey, cloudinary.KeyAPISecret: c.APISecret,
		cloudinary.KeyOAuthToken: c.OAuthToken, cloudinary.KeyUploadPrefix: c.APIBase,
	} {
		if value != "" {
			s.Data[name] = []byte(value)
		}
	}
	return s
}

const exportHeader = `# The notification triggers of the product environment %s, as manifests:
# %s for %s; left out: %s at Cloudinary.
#
%s
#
# The manifests need this Secret:
#
# apiVersion: v1
# kind: Secret
# metadata:
#   name: %s
#   namespace: %s
# stringData:
#   CLOUDINARY_URL: cloudinary://API_KEY:API_SECRET@%s
`

const (
	adoptHeader = `# If you apply them, the operator adopts the triggers as they are. An adopted trigger stays at Cloudinary when its manifest is deleted,
# unless the manifest says deletionPolicy: Delete. URLs may carry tokens.`
	moveHeader = `# If you apply them, the operator moves each trigger in place to the URL of the receiver, which delivers to the path that the notifications
# went to before. Paths may carry tokens. See first: kubectl cloudinary plan -f FILE`
)

func (e *exported) print(w io.Writer, o output, to target) error {
	var b bytes.Buffer
	about := adoptHeader
	if slices.ContainsFunc(e.endpoints, func(ep v1alpha1.NotificationEndpoint) bool { return ep.Spec.Receiver != nil }) {
		about = moveHeader
	}
	fmt.Fprintf(&b, exportHeader, to.environment, counted(len(e.triggers), kindTrigger), counted(len(e.endpoints), "URL"), counted(len(e.skipped), "trigger"), about, to.secret, to.namespace, to.environment.CloudName)
	items := []json.RawMessage{} // not null where there are none
	for _, object := range e.objects() {
		raw, err := manifest(object)
		if err != nil {
			return err
		}
		items = append(items, escaped(raw, breaksYAML))
		text, err := document(raw)
		if err != nil {
			return fmt.Errorf("%s %w", object.GetName(), err)
		}
		fmt.Fprintf(&b, "---\n%s%s", caution(object), text)
	}
	if o.format == outputJSON {
		_, err := o.structured(w, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// caution is a comment on a manifest that must not be applied in the usual way.
func caution(object client.Object) string {
	t, ok := object.(*v1alpha1.CloudinaryTrigger)
	if !ok {
		return ""
	}
	nulls := nullMembers(t)
	if len(nulls) == 0 {
		return ""
	}
	return fmt.Sprintf("# Use kubectl apply --server-side: without it, kubectl drops the null members %s.\n", strings.Join(nulls, ", "))
}

// objects has each endpoint before its triggers.
func (e *exported) objects() []client.Object {
	var objects []client.Object
	for i := range e.endpoints {
		ep := &e.endpoints[i]
		objects = append(objects, ep)
		for j := range e.triggers {
			if t := &e.triggers[j]; t.Spec.EndpointRef.Name == ep.Name {
				objects = append(objects, t)
			}
		}
	}
	return objects
}

// manifest is an object as a person would write it, without the fields that the API server sets.
func manifest(object client.Object) (json.RawMessage, error) {
	raw, err := encodeJSON(object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", object.GetName(), err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("decode %s: %w", object.GetName(), err)
	}
	delete(members, "status")
	return encodeJSON(members)
}
