// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestEachLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	pages := markdown(t, os.DirFS(".."))
	if len(pages) < 20 {
		t.Fatalf("the repository has %d pages", len(pages))
	}
	for _, problem := range brokenLinks(os.DirFS(".."), pages) {
		t.Error(problem)
	}
	for _, problem := range brokenLinks(edition{os.DirFS(".."), otherEdition(t)}, pages) {
		t.Error(otherEditions, problem)
	}
}

// edition is the repository with other pages in it.
type edition struct {
	fs.FS
	pages map[string]string
}

// ReadFile is what fs.ReadFile asks first.
func (e edition) ReadFile(name string) ([]byte, error) {
	if text, ok := e.pages[name]; ok {
		return []byte(text), nil
	}
	return fs.ReadFile(e.FS, name)
}

func TestEachPageIsInTheIndex(t *testing.T) {
	t.Parallel()
	docs := os.DirFS(".")
	index, err := fs.ReadFile(docs, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := links(string(index))
	for _, page := range markdown(t, docs) {
		if page != "README.md" && path.Dir(page) != "adr" && !slices.Contains(listed, page) {
			t.Errorf("docs/README.md does not list %s", page)
		}
	}
}

func TestABrokenLinkIsFound(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"README.md": {Data: []byte("[a](docs/a.md) [b](docs/b.md) ![c](docs/c.png) [d](docs/a.md#here) [e](docs/a.md#there) [f](#f)\n" +
			"[g](https://example.com/g.md) `[h](h.md)` [i](" + repository + "main/docs/i.md)\n```\n[j](j.md)\n```\n# F\n")},
		"docs/a.md": {Data: []byte("# `Here`\n## It's \"the\" *same*\n## It's \"the\" *same*\n[k](#its-the-same-1) [l](../README.md#f) [m](#its-the-same-2)\n```\n# There\n```\n")},
	}
	want := []string{
		"README.md: docs/b.md does not exist",
		"README.md: docs/c.png does not exist",
		"README.md: docs/a.md has no heading #there",
		"README.md: docs/i.md does not exist",
		"docs/a.md: docs/a.md has no heading #its-the-same-2",
	}
	if diff := cmp.Diff(want, brokenLinks(root, markdown(t, root))); diff != "" {
		t.Errorf("broken links (-want +got):\n%s", diff)
	}
}

// generated has links to headings for pointers to int32, and no such heading.
const generated = "docs/reference/api.md"

const repository = "https://github.com/cloudinary-operator/cloudinary-operator/blob/"

// markdown are the paths of all pages, but for what is not part of the repository.
func markdown(t *testing.T, root fs.FS) []string {
	t.Helper()
	var pages []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains([]string{"bin", "dist"}, name) || strings.HasPrefix(entry.Name(), ".") && name != "." && name != ".github"):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			pages = append(pages, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func brokenLinks(root fs.FS, pages []string) []string {
	var problems []string
	for _, page := range pages {
		text, err := fs.ReadFile(root, page)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		for _, target := range links(string(text)) {
			if problem := broken(root, page, target); problem != "" {
				problems = append(problems, page+": "+problem)
			}
		}
	}
	return problems
}

// broken says what is wrong with a link to a file of the repository, if anything is.
func broken(root fs.FS, page, target string) string {
	target, anchor, _ := strings.Cut(target, "#")
	name := path.Join(path.Dir(page), target)
	if ours, found := strings.CutPrefix(target, repository); found {
		_, name, _ = strings.Cut(ours, "/")
	} else if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	if target == "" {
		name = page
	}
	if _, err := fs.Stat(root, name); errors.Is(err, fs.ErrNotExist) {
		return name + " does not exist"
	} else if err != nil {
		return err.Error()
	}
	if anchor == "" || path.Ext(name) != ".md" || name == generated && anchor == "int32" {
		return ""
	}
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(anchors(string(text)), anchor) {
		return fmt.Sprintf("%s has no heading #%s", name, anchor)
	}
	return ""
}

func links(text string) []string {
	text = regexp.MustCompile("`[^`\n]*`").ReplaceAllString(prose(text), "code")
	var targets []string
	for _, match := range regexp.MustCompile(`\]\(([^()\s]+)\)`).FindAllStringSubmatch(text, -1) {
		targets = append(targets, match[1])
	}
	return targets
}

// anchors are those that GitHub makes of headings.
func anchors(text string) []string {
	var all []string
	count := map[string]int{}
	link := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	for _, heading := range regexp.MustCompile(`(?m)^#{1,6} +(.*?)[ #]*$`).FindAllStringSubmatch(prose(text), -1) {
		title := link.ReplaceAllString(heading[1], "$1")
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, title)
		if n := count[anchor]; n > 0 {
			all = append(all, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			all = append(all, anchor)
		}
		count[anchor]++
	}
	return all
}

// prose is a page without its blocks of code.
func prose(text string) string {
	return regexp.MustCompile("(?ms)^ *```.*?^ *```").ReplaceAllString(text, "")
}
