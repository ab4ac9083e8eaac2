// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	releasepages "github.com/cloudinary-operator/cloudinary-operator/hack/pages"
)

func TestMakeTargetsExist(t *testing.T) {
	t.Parallel()
	targets := found(t, "../Makefile", `(?m)^([a-z][a-z0-9-]*):`)
	for page, text := range pages(t) {
		for _, match := range regexp.MustCompile("(?m)(?:^\\$ (?:sudo -E )?|`)make ([a-z][a-z0-9-]*)").FindAllStringSubmatch(text, -1) {
			if !slices.Contains(targets, match[1]) {
				t.Errorf("%s: make %s does not exist", page, match[1])
			}
		}
	}
}

// A path in code is one from the top of the repository.
func TestPathsExist(t *testing.T) {
	t.Parallel()
	paths := regexp.MustCompile("`((?:api|charts|cmd|config|controllers|docs|hack|internal|test|webhookreceiver)/[\\w./-]+)`")
	count := 0
	for page, text := range pages(t) {
		for _, match := range paths.FindAllStringSubmatch(text, -1) {
			count++
			name := strings.TrimSuffix(match[1], "...")
			if _, err := os.Stat(path.Join("..", name)); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s does not exist", page, name)
			}
		}
	}
	if count < 50 {
		t.Errorf("pages name %d paths", count)
	}
}

// Where a page says in which file something is, it is declared there: `a`, `b` and `c` in `file.go`, or `a`, `file.go`.
func TestIdentifiersAreWhereThePagesSay(t *testing.T) {
	t.Parallel()
	said := regexp.MustCompile("((?:`\\w+`(?:, | and ))*`\\w+`)(?: in|,) `([\\w/.-]+\\.go)`")
	declared, count := declarations(t), 0
	for page, text := range pages(t) {
		for _, match := range said.FindAllStringSubmatch(text, -1) {
			for _, name := range regexp.MustCompile(`\w+`).FindAllString(strings.ReplaceAll(match[1], "` and `", "`, `"), -1) {
				count++
				if !declared[path.Base(match[2])][name] {
					t.Errorf("%s: %s is not declared in %s", page, name, match[2])
				}
			}
		}
	}
	if count < 50 {
		t.Errorf("pages say of %d identifiers where they are", count)
	}
}

// declarations are the names that the program's files declare, by the files' base names.
func declarations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	names := map[string]map[string]bool{}
	for _, root := range []string{"../api", "../controllers", "../internal", "../webhookreceiver", "../cmd"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			base := filepath.Base(name)
			if names[base] == nil {
				names[base] = map[string]bool{}
			}
			for _, decl := range file.Decls {
				for _, declared := range namesOf(decl) {
					names[base][declared] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// namesOf are the names that a declaration declares.
func namesOf(decl ast.Decl) []string {
	if f, ok := decl.(*ast.FuncDecl); ok {
		return []string{f.Name.Name}
	}
	var names []string
	if g, ok := decl.(*ast.GenDecl); ok {
		for _, spec := range g.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// Whether an API server takes them is tested for config/samples and the guide to GitOps.
func TestManifestsHaveNoUnknownField(t *testing.T) {
	t.Parallel()
	kinds := map[string]func() any{
		"CloudinaryTrigger":    func() any { return &v1alpha1.CloudinaryTrigger{} },
		"NotificationEndpoint": func() any { return &v1alpha1.NotificationEndpoint{} },
	}
	count := 0
	for page, text := range pages(t) {
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for document := range strings.SplitSeq(block[1], "\n---\n") {
				kind := regexp.MustCompile(`(?m)^kind: (\w+)$`).FindStringSubmatch(document)
				if kind == nil || kinds[kind[1]] == nil {
					continue
				}
				count++
				if err := yaml.UnmarshalStrict([]byte(document), kinds[kind[1]]()); err != nil {
					t.Errorf("%s: %v in\n%s", page, err, document)
				}
			}
		}
	}
	if count < 8 {
		t.Errorf("pages have %d manifests", count)
	}
}

// The block of a diagram that does not parse is shown as an error. There is no parser to be had in Go, so this looks for what goes wrong
// most: an unknown kind, a block that is not ended, and brackets in a text that is not quoted.
func TestDiagramsAreWellFormed(t *testing.T) {
	t.Parallel()
	count := 0
	for page, text := range pages(t) {
		for _, block := range regexp.MustCompile("(?s)```mermaid\n(.*?)```").FindAllStringSubmatch(text, -1) {
			count++
			for _, problem := range malformed(block[1]) {
				t.Errorf("%s: %s in\n%s", page, problem, block[1])
			}
		}
	}
	if count < 3 {
		t.Errorf("pages have %d diagrams", count)
	}
	for broken, diagram := range map[string]string{
		"an unknown kind":     "flowchar LR\n  a --> b\n",
		"a block without end": "flowchart LR\n  subgraph a\n  b --> c\n",
		"brackets in a text":  "flowchart LR\n  a[text (more)] --> b\n",
		"a semicolon":         "sequenceDiagram\n  a->>b: this; that\n",
	} {
		if len(malformed(diagram)) != 1 {
			t.Errorf("%s: %v", broken, malformed(diagram))
		}
	}
}

func malformed(diagram string) []string {
	var problems []string
	kind, _, _ := strings.Cut(strings.TrimSpace(strings.SplitN(diagram, "\n", 2)[0]), " ")
	if !slices.Contains([]string{"flowchart", "sequenceDiagram"}, kind) {
		problems = append(problems, "unknown kind "+kind)
	}
	begins := regexp.MustCompile(`(?m)^ *(subgraph|alt|opt|loop|par|critical|break|rect|box)\b`).FindAllString(diagram, -1)
	if ends := regexp.MustCompile(`(?m)^ *end *$`).FindAllString(diagram, -1); len(begins) != len(ends) {
		problems = append(problems, "a block that is not ended, or an end too many")
	}
	if kind == "flowchart" && regexp.MustCompile(`\w\[[^\[("\]][^"\]]*[(){}]`).MatchString(diagram) {
		problems = append(problems, "brackets in a text without quotes")
	}
	if kind == "sequenceDiagram" && strings.Contains(diagram, ";") {
		problems = append(problems, "a semicolon, which ends a statement")
	}
	return problems
}

func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range markdown(t, os.DirFS("..")) {
		raw, err := os.ReadFile(path.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(raw)
	}
	for name, text := range otherEdition(t) {
		if path.Ext(name) == ".md" {
			all[name+" "+otherEditions] = text
		}
	}
	return all
}

// otherEditions are what is added to the names of pages that are not as they are now.
const otherEditions = "(after a release, or before)"

// otherEdition has the pages as they are once there is a release; where there is one, as they were before.
func otherEdition(t *testing.T) map[string]string {
	t.Helper()
	root := os.DirFS("..")
	release, err := releasepages.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	other := releasepages.Release{}
	if release == other {
		other.Version = "v9.8.7-rc.1"
	}
	rendered, err := releasepages.Render(root, other)
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

// Commands of the plugin, and their flags, are held against what its help prints.
func TestCommandsOfThePluginExist(t *testing.T) {
	t.Parallel()
	help := helpTexts(t)
	count := 0
	for page, text := range pages(t) {
		if page == "CHANGELOG.md" {
			continue
		}
		for _, command := range pluginCommands(text) {
			count++
			if problem := help.wrong(command); problem != "" {
				t.Errorf("%s: %s in kubectl cloudinary %s", page, problem, command)
			}
		}
	}
	if count < 50 {
		t.Errorf("pages have %d commands of the plugin", count)
	}
	for wrong, want := range map[string]string{
		"statsu -n shop":                   "there is no command statsu",
		"plan -f x.yaml --exit-cod":        "there is no flag --exit-cod",
		"deadletters list --id=5 -n shop":  "there is no flag --id",
		"deadletters redrive media --id=5": "",
	} {
		if got := help.wrong(wrong); got != want {
			t.Errorf("%s: %q, want %q", wrong, got, want)
		}
	}
}

// pluginCommands are what follows kubectl cloudinary in a page's code, up to the end of the command.
func pluginCommands(text string) []string {
	var commands []string
	text = strings.ReplaceAll(text, "\\\n", " ")
	for _, match := range regexp.MustCompile("(?:`|\\$ |^|\\| |&& |\\n)(?:kubectl cloudinary) ([^`\n|;#&<>]*)").FindAllStringSubmatch(text, -1) {
		commands = append(commands, strings.TrimSpace(match[1]))
	}
	return commands
}

// pluginHelp are the flags of each command, by its words: "deadletters list".
type pluginHelp map[string][]string

func helpTexts(t *testing.T) pluginHelp {
	t.Helper()
	const folder = "../internal/plugin/testdata"
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	help := pluginHelp{}
	for _, entry := range entries {
		name, isHelp := strings.CutPrefix(strings.TrimSuffix(entry.Name(), ".txt"), "help-cloudinary")
		if !isHelp {
			continue
		}
		text, err := os.ReadFile(path.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		words := strings.ReplaceAll(strings.TrimPrefix(name, "-"), "-", " ")
		for _, flag := range regexp.MustCompile(`(?m)^ +(?:-[a-zA-Z], )?--([a-z-]+)`).FindAllStringSubmatch(string(text), -1) {
			help[words] = append(help[words], flag[1])
		}
	}
	return help
}

// wrong says which command or flag does not exist.
func (h pluginHelp) wrong(command string) string {
	words := strings.Fields(command)
	if len(words) == 0 || !regexp.MustCompile(`^[a-z]`).MatchString(words[0]) || words[0] == "completion" || words[0] == "help" {
		return "" // nobody's name, such as COMMAND, or what cobra brings
	}
	name := words[0]
	if _, found := h[name]; !found {
		return "there is no command " + name
	}
	if len(words) > 1 && h[name+" "+words[1]] != nil {
		name += " " + words[1]
	}
	known := slices.Concat(h[name], h[""], h["options"])
	for _, flag := range regexp.MustCompile(`(?:^| )--([a-z-]+)`).FindAllStringSubmatch(command, -1) {
		if !slices.Contains(known, flag[1]) && flag[1] != "help" {
			return "there is no flag --" + flag[1]
		}
	}
	return ""
}

// Anyone who opens a page sees within one screen what it is for, and the command or the manifest that it is about.
func TestFirstScreens(t *testing.T) {
	t.Parallel()
	for page, text := range pages(t) {
		if !readable(page) || path.Dir(page) != "docs" || slices.Contains([]string{"docs/architecture.md", "docs/comparison.md"}, page) {
			continue // those two explain, and have nothing to run
		}
		lines := strings.Split(text, "\n")
		screen := lines[:min(len(lines), 30)]
		if !slices.ContainsFunc(screen, func(line string) bool { return strings.HasPrefix(line, "```") }) {
			t.Errorf("%s: the first %d lines show no command, no manifest and no diagram", page, len(screen))
		}
	}
}
