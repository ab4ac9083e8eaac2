// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"
)

// newRegistry is an empty registry, and the name under which images are in it.
func newRegistry(t *testing.T) string {
	t.Helper()
	blobs := registry.NewDiskBlobHandler(t.TempDir())
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(blobs), registry.WithReferrersSupport(true)))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/cloudinary-operator"
}

// files are the contents of a release by their names.
func files(t *testing.T, dist string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dist, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = content
	}
	return all
}

// One test, since a release takes minutes.
func TestARelease(t *testing.T) {
	repository := newRegistry(t)
	first, second := clone(t, "first"), clone(t, "a second one")
	for _, folder := range []string{first, second} {
		command(t, folder, []string{"REGISTRY=" + repository}, "make", "release", "VERSION="+version)
	}
	made := files(t, filepath.Join(first, "dist"))
	again := files(t, filepath.Join(second, "dist"))
	for name, content := range made {
		if !bytes.Equal(content, again[name]) {
			t.Errorf("two builds of %s differ", name)
		}
		delete(again, name)
	}
	for name := range again {
		t.Errorf("only the second build has %s", name)
	}
	checkFiles(t, made)

	pushByWorkflow(t, first, made, repository)
	pushed := strings.Fields(string(made["images.txt"]))
	t.Run("the manifests' image can be pulled for each platform", func(t *testing.T) {
		for _, name := range []string{"install.yaml", "install-namespaced.yaml"} {
			checkPinned(t, string(made[name]), repository)
		}
	})
	t.Run("the chart can be pulled, and runs the same image", func(t *testing.T) { checkChart(t, first, made, repository) })
	t.Run("signatures and attestations", func(t *testing.T) { checkSignatures(t, first, pushed) })
	t.Run("a version is not released twice", func(t *testing.T) { checkSecondPush(t, first, repository) })
}

// pushByWorkflow runs the very lines by which the workflow pushes, and looks at what they tell the jobs that sign.
func pushByWorkflow(t *testing.T, root string, made map[string][]byte, repository string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(projectRoot(t), ".github", "workflows", "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ ID, Run string }
		}
	}
	if err := yaml.Unmarshal(raw, &workflow); err != nil {
		t.Fatal(err)
	}
	outputs := filepath.Join(t.TempDir(), "outputs")
	for _, step := range workflow.Jobs["push"].Steps {
		if step.ID == "images" {
			env := []string{"REGISTRY=" + repository, "GITHUB_REF_NAME=" + version, "GITHUB_OUTPUT=" + outputs}
			command(t, root, env, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
		}
	}
	told, err := os.ReadFile(outputs)
	if err != nil {
		t.Fatalf("the workflow has no step images that writes outputs: %v", err)
	}
	var want strings.Builder
	for line := range strings.Lines(string(made["images.txt"])) {
		tag, digest, _ := strings.Cut(line, "@")
		image := strings.TrimSuffix(strings.TrimPrefix(tag, repository+"/"), ":"+version)
		want.WriteString(image + "=" + digest)
	}
	if diff := cmp.Diff(want.String(), string(told)); diff != "" {
		t.Errorf("what the jobs that sign are told (-want +got):\n%s", diff)
	}
}

func checkFiles(t *testing.T, made map[string][]byte) {
	t.Helper()
	want := []string{"checksums.txt", "cloudinary-operator-0.1.0-rc.1.tgz", "crds.yaml", "images.txt", "install-namespaced.yaml", "install.yaml", "release-notes.md", "krew-cloudinary.yaml"}
	for _, image := range []string{"cloudinary-operator", "cloudinary-sim", "sample-listener"} {
		want = append(want, "image-"+image+"-"+version+".tar", "image-"+image+"-"+version+".cdx.json")
	}
	want = append(want, "kubectl-cloudinary-"+version+".cdx.json")
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"} {
		want = append(want, "kubectl-cloudinary_"+platform+".tar.gz")
	}
	expected, got := map[string]bool{}, map[string]bool{}
	for _, name := range want {
		expected[name] = true
	}
	for name := range made {
		got[name] = true
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Fatalf("files of the release (-want +got):\n%s", diff)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(made["checksums.txt"])) {
		hash, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = hash
	}
	for name, content := range made {
		hash := sha256.Sum256(content)
		if name != "checksums.txt" && sums[name] != hex.EncodeToString(hash[:]) {
			t.Errorf("checksums.txt has %q for %s", sums[name], name)
		}
	}
}

// pinned finds the images of Deployments.
func pinned(manifests string) []string {
	var images []string
	for _, match := range regexp.MustCompile(`(?m)^\s+image: "?([^\s"]+)"?$`).FindAllStringSubmatch(manifests, -1) {
		images = append(images, match[1])
	}
	return images
}

func checkPinned(t *testing.T, manifests, repository string) {
	t.Helper()
	images := pinned(manifests)
	if len(images) != 2 || images[0] != images[1] || !strings.HasPrefix(images[0], repository+"/cloudinary-operator@sha256:") {
		t.Fatalf("images are %q, want one by digest for manager and receiver", images)
	}
	digest, err := name.NewDigest(images[0], name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := remote.Image(digest, remote.WithContext(t.Context()), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		got := []string{config.Architecture, config.Config.Labels["org.opencontainers.image.version"]}
		if diff := cmp.Diff([]string{architecture, version}, got); diff != "" {
			t.Errorf("what is under the digest (-want +got):\n%s", diff)
		}
	}
}

func checkChart(t *testing.T, root string, made map[string][]byte, repository string) {
	t.Helper()
	helm := strings.TrimSpace(command(t, root, nil, "hack/helm/build.sh"))
	archive := filepath.Join(root, "dist", "cloudinary-operator-0.1.0-rc.1.tgz")
	command(t, root, nil, helm, "push", "--plain-http", archive, "oci://"+repository+"/charts")
	pulled := t.TempDir()
	command(t, root, nil, helm, "pull", "--plain-http", "--version", "0.1.0-rc.1", "--destination", pulled, "oci://"+repository+"/charts/cloudinary-operator")
	content, err := os.ReadFile(filepath.Join(pulled, filepath.Base(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made[filepath.Base(archive)], content) {
		t.Error("the chart in the registry is not the one of the release")
	}
	rendered := command(t, root, nil, helm, "template", "cloudinary-operator", filepath.Join(pulled, filepath.Base(archive)))
	if diff := cmp.Diff(pinned(string(made["install.yaml"])), pinned(rendered)); diff != "" {
		t.Errorf("images of the chart, where install.yaml has others (-want +got):\n%s", diff)
	}
	command(t, root, nil, helm, "lint", "--strict", archive)
}

// checkSignatures does with a key what the workflow does without one. It needs no service: neither the transparency log nor the certificate
// authority of Sigstore is asked.
func checkSignatures(t *testing.T, root string, pushed []string) {
	t.Helper()
	cosign := os.Getenv("COSIGN")
	if cosign == "" {
		t.Fatal("COSIGN is not set: run make test-release, which builds cosign")
	}
	folder := t.TempDir()
	env := []string{"COSIGN_PASSWORD=", "HOME=" + folder}
	command(t, folder, env, cosign, "generate-key-pair")
	local := []string{"--allow-http-registry", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes"}
	checked := []string{"--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog"}
	with := func(first string, shared []string, last ...string) []string {
		return append(append([]string{first}, shared...), last...)
	}

	signed, other := pushed[0], pushed[1]
	command(t, folder, env, cosign, with("sign", local, signed)...)
	command(t, folder, env, cosign, with("verify", checked, signed)...)
	if out, err := attempt(t.Context(), folder, env, cosign, with("verify", checked, other)...); err == nil {
		t.Errorf("%s passes for signed: %s", other, out)
	}
	sbom := filepath.Join(root, "dist", "image-cloudinary-operator-"+version+".cdx.json")
	command(t, folder, env, cosign, with("attest", local, "--type", "cyclonedx", "--predicate", sbom, signed)...)
	checkPredicate(t, command(t, folder, env, cosign, with("verify-attestation", checked, "--type", "cyclonedx", signed)...), sbom)

	checksums := filepath.Join(root, "dist", "checksums.txt")
	command(t, folder, env, cosign, "sign-blob", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes", "--bundle", "bundle.json", checksums)
	command(t, folder, env, cosign, "verify-blob", "--key", "cosign.pub", "--insecure-ignore-tlog", "--bundle", "bundle.json", checksums)
	if err := os.WriteFile(filepath.Join(folder, "changed.txt"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := attempt(t.Context(), folder, env, cosign, "verify-blob", "--key", "cosign.pub", "--insecure-ignore-tlog", "--bundle", "bundle.json", "changed.txt"); err == nil {
		t.Errorf("other checksums pass for signed: %s", out)
	}
}

// checkPredicate compares what an attestation says with the file that was attested.
func checkPredicate(t *testing.T, printed, file string) {
	t.Helper()
	var envelope struct{ Payload []byte }
	if err := json.Unmarshal([]byte(printed), &envelope); err != nil {
		t.Fatalf("%v in %q", err, printed)
	}
	var statement struct{ Predicate any }
	if err := json.Unmarshal(envelope.Payload, &statement); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, statement.Predicate); diff != "" {
		t.Errorf("what is attested (-want +got):\n%s", diff)
	}
}

func checkSecondPush(t *testing.T, root, repository string) {
	t.Helper()
	dist := filepath.Join(root, "dist")
	other := filepath.Join(t.TempDir(), "dist")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	// Another image under the operator's name.
	copyFile(t, filepath.Join(dist, "image-sample-listener-"+version+".tar"), filepath.Join(other, "image-cloudinary-operator-"+version+".tar"))
	push := []string{"-C", "hack/release", "run", ".", "push", "--version", version, "--registry", repository, "--insecure", "--dist"}
	_, err := attempt(t.Context(), root, nil, "go", append(push, other)...)
	if err == nil || !strings.Contains(err.Error(), "a version is never released twice") {
		t.Errorf("got %v, want a refusal", err)
	}
	command(t, root, nil, "go", append(push, dist)...) // The same again is no other: a workflow may be run again.
}
