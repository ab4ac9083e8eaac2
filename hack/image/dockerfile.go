// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// written is the line of the Dockerfile below which all is written here.
const written = "# All below this line is written by make generate, from hack/image/images.go.\n"

// stages are the images as docker build makes them: of the same files, with the same configuration.
const stages = `
{{- range . }}
FROM scratch AS {{ .Stage }}
ARG VERSION=unknown COMMIT=unknown
{{- range $label, $value := .Labels }}
LABEL {{ $label }}={{ printf "%q" $value }}
{{- end }}
COPY --from=build /out/{{ .Name }}/ /
USER {{ .User }}
ENTRYPOINT [{{ range .Entrypoint }}{{ printf "%q" . }}{{ end }}]
{{ end }}`

func dockerfileCommand(args []string) error {
	flags, root := flagSet("dockerfile")
	if err := parse(flags, args); err != nil {
		return err
	}
	source, err := newCheckout(*root, io.Discard)
	if err != nil {
		return err
	}
	file := filepath.Join(source.root, "Dockerfile")
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the Dockerfile: %w", err)
	}
	text, err := withStages(string(raw))
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the Dockerfile: %w", err)
	}
	return nil
}

// withStages is a Dockerfile with the images' stages written anew. The operator's is the last: it is built if no target is named.
func withStages(dockerfile string) (string, error) {
	build, _, found := strings.Cut(dockerfile, written)
	if !found {
		return "", fmt.Errorf("the Dockerfile has no line %q", strings.TrimSpace(written))
	}
	type image struct {
		Stage, Name string
		v1.Config
	}
	var images []image
	for _, d := range slices.Backward(descriptions()) {
		images = append(images, image{Stage: d.stage, Name: d.name, Config: config(d, edition{version: "$VERSION", commit: "$COMMIT"})})
	}
	var out strings.Builder
	out.WriteString(build + written)
	if err := template.Must(template.New("stages").Parse(stages)).Execute(&out, images); err != nil {
		return "", fmt.Errorf("write the stages of the Dockerfile: %w", err)
	}
	return out.String(), nil
}
