// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloudinary/cloudinary-go/v2"
	"github.com/cloudinary/cloudinary-go/v2/api"
	"github.com/cloudinary/cloudinary-go/v2/api/admin"
)

// appears is how long after its upload an asset may not be found yet; afterwards it was deleted.
const appears = 10 * time.Minute

// tagger is the work: each uploaded asset gets a tag.
type tagger struct {
	admin *admin.API
	tag   string
	// Reading and writing an asset's tags are two calls. One at a time keeps this program from writing over its own; a change by
	// others in between would still be lost. Where others tag too, use the Upload API's AddTag, which is one call.
	turn chan struct{}
}

func newTagger(cloudinaryURL, tag string) (_ *tagger, apiKey, secret string, _ error) {
	cld, err := cloudinary.NewFromURL(cloudinaryURL)
	if err != nil {
		return nil, "", "", errors.New("CLOUDINARY_URL is not set, or not valid") // the error would show the secret
	}
	if cld.Config.Cloud.CloudName == "" || cld.Config.Cloud.APISecret == "" {
		return nil, "", "", errors.New("CLOUDINARY_URL must be cloudinary://API_KEY:API_SECRET@CLOUD_NAME")
	}
	cld.Admin.Client = http.Client{Transport: statuses{http.DefaultTransport}}
	return &tagger{admin: &cld.Admin, tag: tag, turn: make(chan struct{}, 1)}, cld.Config.Cloud.APIKey, cld.Config.Cloud.APISecret, nil
}

// handle can be called any number of times for one notification, as it will be: delivery is at least once.
func (t *tagger) handle(ctx context.Context, n notification) error {
	// Tagging is an event itself, resource_tags_changed. Whoever acts on those too must not act on its own, or it never ends.
	if n.Type != "upload" || n.PublicID == "" {
		return nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for others: %w", errRetry)
	}
	id, kind, delivery := escaped(n.PublicID), api.AssetType(n.ResourceType), api.DeliveryType(n.DeliveryType)
	asset, err := t.admin.Asset(ctx, admin.AssetParams{AssetType: kind, DeliveryType: delivery, PublicID: id})
	switch {
	case statusOf(err) == http.StatusNotFound && n.age > appears:
		return nil // deleted in the meantime
	case err != nil:
		return failed("read the asset", err)
	case slices.Contains(asset.Tags, t.tag):
		return nil
	}
	_, err = t.admin.UpdateAsset(ctx, admin.UpdateAssetParams{
		AssetType: kind, DeliveryType: delivery, PublicID: id, Tags: append(asset.Tags, t.tag), // they replace the present ones
	})
	return failed("tag the asset", err)
}

// failed says whether it is worth while to try again. Wrong credentials (401, 403) are: somebody will set them right. So are used up calls
// (420, 429), and whatever else is not the fault of this very request.
func failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case statusOf(err) == http.StatusBadRequest:
		return fmt.Errorf("%s: %w", what, err)
	default:
		return fmt.Errorf("%s: %w: %w", what, errRetry, err)
	}
}

// escaped is a public id as a part of a URL, which the library does not make of it. Slashes stay.
func escaped(publicID string) string {
	parts := strings.Split(publicID, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// statuses makes an error of each answer that is not a success: the library does not tell the status.
type statuses struct{ http.RoundTripper }

type statusError int

func (e statusError) Error() string { return fmt.Sprintf("Cloudinary answered %d", int(e)) }

func (s statuses) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(r)
	if err != nil || response.StatusCode < 300 {
		return response, err
	}
	_ = response.Body.Close()
	return nil, statusError(response.StatusCode)
}

func statusOf(err error) int {
	status, _ := errors.AsType[statusError](err)
	return int(status)
}
