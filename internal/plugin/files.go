// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	strictjson "sigs.k8s.io/json"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

const (
	kindEndpoint = "NotificationEndpoint"
	kindTrigger  = "CloudinaryTrigger"
	kindSecret   = "Secret"
)

// filesOptions say where manifests are.
type filesOptions struct {
	names     []string
	kustomize string
	recursive bool
}

func addFiles(cmd *cobra.Command, o *filesOptions, usage string) {
	f := cmd.Flags()
	f.StringSliceVarP(&o.names, "filename", "f", nil, usage)
	f.StringVarP(&o.kustomize, "kustomize", "k", "", "A folder with a kustomization, instead of --filename.")
	f.BoolVarP(&o.recursive, "recursive", "R", false, "Read the folders of --filename with those below them.")
	_ = cmd.RegisterFlagCompletionFunc("filename", cobra.FixedCompletions([]string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt)) // fails only for a flag that does not exist
}

func (o *filesOptions) given() bool { return len(o.names) > 0 || o.kustomize != "" }

// manifests are the objects in files that the plugin needs.
type manifests struct {
	endpoints []v1alpha1.NotificationEndpoint
	triggers  []v1alpha1.CloudinaryTrigger
	secrets   []*unstructured.Unstructured
	ignored   int // objects of other kinds
}

// read reads all objects. Those without a namespace get the given one.
func (o *filesOptions) read(in io.Reader, namespace string) (*manifests, error) {
	m := &manifests{}
	if !o.given() {
		return m, nil
	}
	if o.kustomize != "" && len(o.names) > 0 {
		return nil, errors.New("--filename and --kustomize cannot be used together")
	}
	files := slices.DeleteFunc(slices.Clone(o.names), func(name string) bool { return name == "-" })
	b := resource.NewLocalBuilder().Unstructured().Flatten()
	if len(files) > 0 || o.kustomize != "" {
		b = b.FilenameParam(false, &resource.FilenameOptions{Filenames: files, Kustomize: o.kustomize, Recursive: o.recursive})
	}
	if len(files) < len(o.names) {
		b = b.Stream(in, "the standard input")
	}
	infos, err := b.Do().Infos()
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	for _, info := range infos {
		object, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		if err := m.add(object, namespace); err != nil {
			return nil, fmt.Errorf("%s: %s %s: %w", info.Source, object.GetKind(), object.GetName(), err)
		}
	}
	return m, nil
}

// foreign reports whether all objects are of other kinds.
func (m *manifests) foreign() bool {
	return m.ignored > 0 && len(m.endpoints)+len(m.triggers)+len(m.secrets) == 0
}

func (m *manifests) add(object *unstructured.Unstructured, namespace string) error {
	if object.GetNamespace() == "" {
		object.SetNamespace(namespace)
	}
	ours := object.GroupVersionKind().GroupVersion() == v1alpha1.GroupVersion
	switch kind := object.GetKind(); {
	case ours && kind == kindEndpoint:
		return decodeInto(object, &m.endpoints)
	case ours && kind == kindTrigger:
		return decodeInto(object, &m.triggers)
	case object.GetAPIVersion() == "v1" && kind == kindSecret:
		// Secrets are decoded on demand: most do not concern the operator, and may have any form.
		m.secrets = append(m.secrets, object)
		return nil
	case object.GroupVersionKind().Group == v1alpha1.GroupVersion.Group:
		return fmt.Errorf("%s is not a kind of this version of the plugin, which knows %s", object.GroupVersionKind(), v1alpha1.GroupVersion)
	case kind == kindTrigger, kind == kindEndpoint && strings.Contains(object.GetAPIVersion(), "cloudinary"):
		return fmt.Errorf("its apiVersion is %q, and that of the operator's kinds is %s", object.GetAPIVersion(), v1alpha1.GroupVersion)
	default:
		m.ignored++
		return nil
	}
}

var (
	errEncrypted = errors.New("is encrypted")
	// errInvalidSecret has no cause, which would quote the Secret.
	errInvalidSecret = errors.New("is no valid Secret: data must be base64, and stringData text")
)

// secret is the Secret of the manifests with this name, the last one as kubectl does. Nil: there is
// none.
func (m *manifests) secret(key plan.Key) (*corev1.Secret, error) {
	for _, object := range slices.Backward(m.secrets) {
		if resolve.KeyOf(object) == key {
			return decodeSecret(object)
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

func decodeSecret(object *unstructured.Unstructured) (*corev1.Secret, error) {
	if isEncrypted(object) {
		return nil, errEncrypted
	}
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return nil, errInvalidSecret
	}
	s := &corev1.Secret{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, errInvalidSecret
	}
	for key, value := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	return s, nil
}

// isEncrypted tells a Secret that SOPS has encrypted.
func isEncrypted(object *unstructured.Unstructured) bool {
	if _, sops := object.Object["sops"]; sops {
		return true
	}
	for _, field := range []string{"data", "stringData"} {
		// Decoding reports any other form as invalid.
		values, _, _ := unstructured.NestedMap(object.Object, field)
		for _, value := range values {
			if text, ok := value.(string); ok && strings.HasPrefix(text, "ENC[") {
				return true
			}
		}
	}
	return false
}

// decodeInto refuses unknown fields, as the API server does with kubectl's default --validate=true.
func decodeInto[T any](object *unstructured.Unstructured, list *[]T) error {
	if object.GetName() == "" {
		return errors.New("metadata.name is needed")
	}
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	var typed T
	unknown, err := strictjson.UnmarshalStrict(raw, &typed)
	if err = errors.Join(append(unknown, err)...); err != nil {
		return err
	}
	*list = append(*list, typed)
	return nil
}
