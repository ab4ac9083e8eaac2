// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// scene is a part of the story: what it shows, and why that matters.
type scene struct{ title, why string }

var (
	sceneCall = regexp.MustCompile(`(?m)^ *scene .*\n`)
	sceneText = regexp.MustCompile(`(?m)^ *scene '([^']+)' \\\n *'([^']+)'\n`)
	// A frame begins with the number of its scene; the last one with what was seen.
	frameStart = regexp.MustCompile(`^([0-9]/[0-9] |What you saw)`)
)

// scenesOf reads the scenes from the script that tells them.
func scenesOf(script string) ([]scene, error) {
	text, err := os.ReadFile(script)
	if err != nil {
		return nil, fmt.Errorf("read the story: %w", err)
	}
	var scenes []scene
	for _, found := range sceneText.FindAllSubmatch(text, -1) {
		scenes = append(scenes, scene{string(found[1]), string(found[2])})
	}
	if calls := len(sceneCall.FindAll(text, -1)); calls == 0 || calls != len(scenes) {
		return nil, fmt.Errorf("%s: %d of its %d scenes are written as a title and a sentence in single quotes", script, len(scenes), calls)
	}
	return scenes, nil
}

// framesOf cuts what the demo printed into the screens that are shown one after the other.
func framesOf(text string) [][]string {
	var frames [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if frameStart.MatchString(line) {
			frames = append(frames, nil)
		}
		if len(frames) > 0 {
			frames[len(frames)-1] = append(frames[len(frames)-1], line)
		}
	}
	return frames
}

// check reports whether a picture tells the story: each scene in its place, with its title and its sentence, and all titles at the end.
func check(picture []byte, scenes []scene) error {
	frames, err := textOf(picture)
	if err != nil {
		return err
	}
	if len(frames) != len(scenes)+1 {
		return fmt.Errorf("the recording has %d frames, and should have one for each of the %d scenes and one for the end", len(frames), len(scenes))
	}
	for i, s := range scenes {
		want := fmt.Sprintf("%d/%d %s %s", i+1, len(scenes), s.title, s.why)
		if !strings.HasPrefix(frames[i], want) {
			return fmt.Errorf("frame %d of the recording does not begin with %q", i+1, want)
		}
		if !strings.Contains(frames[len(scenes)], s.title) {
			return fmt.Errorf("the end of the recording does not name %q", s.title)
		}
	}
	return nil
}

// textOf returns the words of each frame with one space between them, since lines are folded.
func textOf(picture []byte) ([]string, error) {
	var frames []string
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	inText := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the recording is no XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "g" {
				frames = append(frames, "")
			}
			inText = t.Name.Local == "text"
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText && len(frames) > 0 {
				last := &frames[len(frames)-1]
				*last = strings.Join(append(strings.Fields(*last), strings.Fields(string(t))...), " ")
			}
		}
	}
}
