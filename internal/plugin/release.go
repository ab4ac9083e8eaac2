// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

const longRelease = `Release objects that are being deleted and wait for a manager or for credentials that are gone.

It removes the operator's finalizer, and names the triggers at Cloudinary that are left behind: nothing is called or deleted there. It
works without the manager. If the manager runs and has credentials, you do not need it: the deletion ends by itself.

Triggers go first, then endpoints, then Secrets. Objects that are not being deleted are refused; with --delete they are deleted, too. With
--all, Secrets that are not being deleted are kept, and only lose the finalizer under --delete.`

const exampleRelease = `  # A trigger whose deletion hangs
  kubectl cloudinary release -n shop cldt/uploads

  # All hanging deletions in a namespace
  kubectl cloudinary release -n shop --all

  # Show what that would release
  kubectl cloudinary release -n shop --all --dry-run

  # Delete the triggers and endpoints of a namespace, and leave their triggers at Cloudinary
  kubectl cloudinary release -n shop --all --delete --yes`

type releaseOptions struct {
	all    bool
	delete bool
	yes    bool
	dryRun bool
	output output
}

func (c *cli) releaseCommand() *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use:     "release (cldt/NAME | nep/NAME | secret/NAME ...) | --all",
		Short:   "Release objects whose manager or credentials are gone",
		Long:    longRelease,
		Example: exampleRelease,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.release(cmd.Context(), args, o) },
	}
	cmd.ValidArgsFunction = c.completeReleases
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "Every object of the namespace that has the operator's finalizer.")
	f.BoolVar(&o.delete, "delete", false, "Delete objects that are not being deleted.")
	f.BoolVarP(&o.yes, "yes", "y", false, "Do not ask.")
	f.BoolVar(&o.dryRun, "dry-run", false, "Show what would be released and left behind, and change nothing.")
	addOutput(cmd, &o.output, outputJSON, outputYAML)
	return cmd
}

func (c *cli) completeReleases(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return c.matching(cmd.Context(), prefix, func(ctx context.Context, cl *cluster) ([]string, error) {
		triggers, err := triggerNames(ctx, cl)
		if err != nil {
			return nil, err
		}
		endpoints, err := endpointNames(ctx, cl)
		if err != nil {
			return nil, err
		}
		secrets, err := secretNames(ctx, cl)
		return slices.Concat(
			namesOf("cldt/", triggers, func(i int) string { return triggers[i] }),
			namesOf("nep/", endpoints, func(i int) string { return endpoints[i] }),
			namesOf("secret/", secrets, func(i int) string { return secrets[i] }),
		), err
	})
}

// releasable is an object to release.
type releasable struct {
	client.Object
	kind string
	keep bool // do not delete it
	left []leftBehind
}

// leftBehind is a trigger at Cloudinary that depends on a released object.
type leftBehind struct {
	holder                          plan.Key // the CloudinaryTrigger that has it in its status
	environment, url, eventType, id string
}

func (r *releasable) String() string { return r.kind + "/" + r.GetName() }

func (r *releasable) deleting() bool { return !r.GetDeletionTimestamp().IsZero() }

func (c *cli) release(ctx context.Context, args []string, o releaseOptions) error {
	if o.all == (len(args) > 0) {
		return errors.New("name objects such as cldt/uploads, or use --all")
	}
	if err := o.output.check(); err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	triggers, err := cl.triggers(ctx, "")
	if apierrors.IsForbidden(err) {
		triggers, err = cl.triggers(ctx, cl.namespace)
	}
	if err != nil {
		return err
	}
	var found []*releasable
	if o.all {
		found, err = c.finalizedObjects(ctx, cl, triggers, o)
	} else {
		found, err = cl.namedObjects(ctx, args, triggers, o)
	}
	if err != nil {
		return err
	}
	if len(found) == 0 {
		fmt.Fprintf(c.Streams.ErrOut, "Nothing to release in namespace %s.\n", cl.namespace)
		return nil
	}
	if o.output.format == outputTable {
		c.showReleases(found, o)
	}
	if o.dryRun {
		_, err := o.output.structured(c.Streams.Out, o.report(found, nil))
		return err
	}
	if err := c.confirm(o.yes, fmt.Sprintf("Release %s in namespace %s?", counted(len(found), "object"), cl.namespace)); err != nil {
		return err
	}
	return c.releaseAll(ctx, cl, found, o)
}

// namedObjects are the objects of the arguments, in the order of their release.
func (cl *cluster) namedObjects(ctx context.Context, args []string, triggers []v1alpha1.CloudinaryTrigger, o releaseOptions) ([]*releasable, error) {
	var found []*releasable
	for _, arg := range args {
		kind, name, ok := strings.Cut(arg, "/")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q must have the form cldt/NAME, nep/NAME or secret/NAME", arg)
		}
		r, err := cl.releasable(ctx, strings.ToLower(kind), name, triggers)
		if err != nil {
			return nil, err
		}
		if !r.deleting() && !o.delete {
			return nil, fmt.Errorf("%s is not being deleted; delete it first, or use --delete", r)
		}
		found = append(found, r)
	}
	slices.SortStableFunc(found, func(a, b *releasable) int { return rank(a.kind) - rank(b.kind) })
	return found, nil
}

const (
	shortTrigger  = "cldt"
	shortEndpoint = "nep"
	shortSecret   = "secret"
)

func rank(kind string) int {
	return slices.Index([]string{shortTrigger, shortEndpoint, shortSecret}, kind)
}

func (cl *cluster) releasable(ctx context.Context, kind, name string, triggers []v1alpha1.CloudinaryTrigger) (*releasable, error) {
	r := &releasable{}
	switch kind {
	case "cldt", "cloudinarytrigger", "cloudinarytriggers":
		r.kind, r.Object = shortTrigger, &v1alpha1.CloudinaryTrigger{}
	case "nep", "notificationendpoint", "notificationendpoints":
		r.kind, r.Object = shortEndpoint, &v1alpha1.NotificationEndpoint{}
	case "secret", "secrets":
		r.kind, r.Object = shortSecret, secretMetadata()
	default:
		return nil, fmt.Errorf("%q is not a kind that can be released; those are cldt, nep and secret", kind)
	}
	if err := cl.read(ctx, r.kind, name, r.Object); err != nil {
		return nil, err
	}
	r.left = behind(r, triggers)
	return r, nil
}

// secretMetadata is for reading and writing a Secret without its content.
func secretMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kindSecret))
	return m
}

// finalizedObjects are the objects of the namespace with the finalizer. A user who may not list
// Secrets releases the others.
func (c *cli) finalizedObjects(ctx context.Context, cl *cluster, triggers []v1alpha1.CloudinaryTrigger, o releaseOptions) ([]*releasable, error) {
	var found []*releasable
	add := func(kind string, object client.Object) {
		r := &releasable{Object: object, kind: kind, keep: kind == shortSecret && object.GetDeletionTimestamp().IsZero()}
		if !hasFinalizer(object) || !r.deleting() && !o.delete {
			return
		}
		r.left = behind(r, triggers)
		found = append(found, r)
	}
	for i := range triggers {
		if triggers[i].Namespace == cl.namespace {
			add(shortTrigger, &triggers[i])
		}
	}
	endpoints, err := cl.endpoints(ctx, cl.namespace)
	if err != nil {
		return nil, err
	}
	for i := range endpoints {
		add(shortEndpoint, &endpoints[i])
	}
	var secrets metav1.PartialObjectMetadataList
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kindSecret + "List"))
	switch err := cl.list(ctx, cl.namespace, &secrets); {
	case apierrors.IsForbidden(err):
		c.warn("Secrets of namespace %s cannot be listed, and keep the finalizer where they have it: name them, as secret/NAME", cl.namespace)
	case err != nil:
		return nil, err
	}
	for i := range secrets.Items {
		secrets.Items[i].SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kindSecret))
		add(shortSecret, &secrets.Items[i])
	}
	return found, nil
}

// behind are the triggers at Cloudinary that depend on an object.
func behind(r *releasable, triggers []v1alpha1.CloudinaryTrigger) []leftBehind {
	var left []leftBehind
	for i := range triggers {
		t := &triggers[i]
		for _, reg := range t.Status.Registrations {
			secret := plan.Key{Namespace: reg.SecretRef.Namespace, Name: reg.SecretRef.Name}
			concerns := r.kind == shortTrigger && resolve.KeyOf(t) == resolve.KeyOf(r) ||
				r.kind == shortEndpoint && resolve.TriggerEndpoint(t) == resolve.KeyOf(r) || r.kind == shortSecret && secret == resolve.KeyOf(r)
			if !concerns {
				continue
			}
			for _, held := range reg.Triggers {
				left = append(left, leftBehind{resolve.KeyOf(t), reg.APIBase + "/" + reg.CloudName, reg.URL, held.EventType, held.ID})
			}
		}
	}
	return left
}

// showReleases names the triggers that each object leaves behind. A trigger of a CloudinaryTrigger
// in the list is named there only.
func (c *cli) showReleases(found []*releasable, o releaseOptions) {
	told := map[leftBehind]bool{}
	for _, r := range found {
		what := "releases the finalizer"
		if !r.deleting() && !r.keep && o.delete {
			what = "is deleted"
		}
		fmt.Fprintf(c.Streams.Out, "%s %s\n", r, what)
		for _, l := range r.left {
			if told[l] {
				continue
			}
			told[l] = r.kind == shortTrigger
			id := l.id
			if id == "" {
				id = "with an unknown id, since it was being created"
			}
			fmt.Fprintf(c.Streams.Out, "  %s in %s: trigger %s (%s at %s)\n", l.fate(r.kind), l.environment, id, l.eventType, redacted(l.url))
		}
	}
}

// fate is the consequence for the trigger if an object of a kind is released.
func (l leftBehind) fate(kind string) string {
	switch kind {
	case shortTrigger:
		return "leaves behind"
	case shortEndpoint:
		return "leaves to cldt/" + l.holder.Name + " of namespace " + l.holder.Namespace
	default:
		return "takes the credentials from cldt/" + l.holder.Name + " of namespace " + l.holder.Namespace
	}
}

// confirm asks, and accepts only a yes.
func (c *cli) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	fmt.Fprintf(c.Streams.ErrOut, "%s [y/N] ", question)
	line, err := bufio.NewReader(c.Streams.In).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	if err != nil && answer == "" {
		fmt.Fprintln(c.Streams.ErrOut)
		return errors.New("the standard input has no answer; use --yes to go on without the question")
	}
	if answer != "y" && answer != "yes" {
		return errors.New("canceled, nothing was changed")
	}
	return nil
}

// releaseAll releases all objects. An error with one object does not stop the others.
func (c *cli) releaseAll(ctx context.Context, cl *cluster, found []*releasable, o releaseOptions) error {
	var errs []error
	failed := map[*releasable]error{}
	for _, r := range found {
		if err := cl.releaseOne(ctx, r, o.delete); err != nil {
			failed[r] = err
			errs = append(errs, fmt.Errorf("%s: %w", r, err))
			continue
		}
		if o.output.format == outputTable {
			fmt.Fprintf(c.Streams.Out, "%s released\n", r)
		}
	}
	_, err := o.output.structured(c.Streams.Out, o.report(found, failed))
	return errors.Join(append(errs, err)...)
}

// releaseOne deletes an object if asked, and removes its finalizer. Both apply only to the very
// object that was shown.
func (cl *cluster) releaseOne(ctx context.Context, r *releasable, remove bool) error {
	if !r.deleting() && !r.keep && remove {
		uid := r.GetUID()
		if err := cl.Delete(ctx, r.Object, client.Preconditions{UID: &uid}); err != nil {
			return client.IgnoreNotFound(err)
		}
	}
	return client.IgnoreNotFound(cl.removeFinalizer(ctx, r.Object))
}

// writeTries is the number of attempts of a write against other writers of the same object.
const writeTries = 5

func (cl *cluster) removeFinalizer(ctx context.Context, shown client.Object) error {
	for try := 1; ; try++ {
		o, ok := shown.DeepCopyObject().(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", shown)
		}
		if err := cl.Get(ctx, client.ObjectKeyFromObject(shown), o); err != nil {
			return err
		}
		if o.GetUID() != shown.GetUID() || !hasFinalizer(o) {
			return nil
		}
		base, ok := o.DeepCopyObject().(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", o)
		}
		o.SetFinalizers(slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(name string) bool { return name == v1alpha1.Finalizer }))
		err := cl.Patch(ctx, o, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
		if !apierrors.IsConflict(err) || try == writeTries {
			return err
		}
	}
}

// hasFinalizer reports whether an object has the operator's finalizer.
func hasFinalizer(o client.Object) bool {
	return slices.Contains(o.GetFinalizers(), v1alpha1.Finalizer)
}
