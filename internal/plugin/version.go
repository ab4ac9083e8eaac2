// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/internal/release"
)

const longVersion = `Print the plugin's version, and those of the manager and the receiver: what the images of their Deployments are tagged with. That needs
the right to list deployments in the operator's namespace. What cannot be read is said to be so, and the exit code is 0 all the same.`

const exampleVersion = `  kubectl cloudinary version

  # The plugin's alone, for which no cluster is asked
  kubectl cloudinary version --client

  kubectl cloudinary version -o json`

// versionTimeout is how long the plugin waits for a cluster.
const versionTimeout = 5 * time.Second

const (
	labelPartOf    = "app.kubernetes.io/part-of"
	labelComponent = "app.kubernetes.io/component"
	labelVersion   = "app.kubernetes.io/version"
	partOf         = "cloudinary-operator"
)

type versionOptions struct {
	client    bool
	namespace string
	output    output
}

// versionReport is what version prints as JSON.
type versionReport struct {
	Plugin   release.Info   `json:"plugin"`
	Manager  *serverVersion `json:"manager,omitempty"`
	Receiver *serverVersion `json:"receiver,omitempty"`
}

// serverVersion is the version in the cluster, or why it is unknown.
type serverVersion struct {
	Version    string `json:"version,omitempty"`
	Image      string `json:"image,omitempty"`
	Deployment string `json:"deployment,omitempty"`
	Problem    string `json:"problem,omitempty"`
}

func (c *cli) versionCommand() *cobra.Command {
	var o versionOptions
	cmd := &cobra.Command{
		Use: "version", Short: "Print the versions of the plugin, the manager and the receiver", Long: longVersion, Example: exampleVersion,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.version(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.client, "client", false, "The plugin's version alone.")
	c.addOperatorNamespace(cmd, &o.namespace, "The namespace of the manager and the receiver.")
	addOutput(cmd, &o.output, outputJSON, outputYAML)
	return cmd
}

func (c *cli) version(ctx context.Context, o versionOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	report := versionReport{Plugin: release.Of(c.Version, c.Commit)}
	if !o.client {
		report.Manager, report.Receiver = c.serverVersions(ctx, o.namespace)
	}
	if done, err := o.output.structured(c.Streams.Out, report); done {
		return err
	}
	fmt.Fprintf(c.Streams.Out, "plugin     %s\n", c.Version)
	for _, it := range []struct {
		name string
		*serverVersion
	}{{"manager", report.Manager}, {"receiver", report.Receiver}} {
		if it.serverVersion != nil {
			fmt.Fprintf(c.Streams.Out, "%-8s   %s\n", it.name, printable(cmp.Or(it.Version, it.Problem)))
		}
	}
	return nil
}

// serverVersions reads those of the manager and the receiver.
func (c *cli) serverVersions(ctx context.Context, namespace string) (manager, receiver *serverVersion) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	var list appsv1.DeploymentList
	cl, err := c.connect()
	if err == nil {
		err = cl.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{labelPartOf: partOf})
	}
	if err != nil {
		problem := &serverVersion{Problem: whyNoVersion(err, namespace)}
		return problem, problem
	}
	return versionAmong(list.Items, "manager", namespace), versionAmong(list.Items, "receiver", namespace)
}

func whyNoVersion(err error, namespace string) string {
	if apierrors.IsForbidden(err) {
		return "not permitted: to list deployments in namespace " + namespace
	}
	return "not known: " + strings.ReplaceAll(err.Error(), "\n", " ")
}

func versionAmong(deployments []appsv1.Deployment, component, namespace string) *serverVersion {
	at := slices.IndexFunc(deployments, func(d appsv1.Deployment) bool { return d.Labels[labelComponent] == component })
	if at < 0 {
		return &serverVersion{Problem: "not found in namespace " + namespace + "; see --operator-namespace"}
	}
	d := &deployments[at]
	v := &serverVersion{Deployment: d.Name}
	for _, container := range d.Spec.Template.Spec.Containers {
		if container.Name == component {
			v.Image = container.Image
		}
	}
	if v.Version = cmp.Or(tagOf(v.Image), d.Labels[labelVersion]); v.Version == "" {
		v.Problem = "not known: its image has no tag, and the Deployment no label " + labelVersion
	}
	return v
}

// tagOf is the tag of an image; empty: it has none.
func tagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	_, tag, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return tag
}
