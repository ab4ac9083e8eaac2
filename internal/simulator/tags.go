// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/eventbody"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

const (
	maxTaggedAssets    = 1000
	uploadCallValidity = time.Hour
)

// retag changes the tags of those of the assets that exist, and notifies of what changed. The answer are those that exist.
func (s *Simulator) retag(keys []assetKey, change func([]string) []string, ownURL, apiKey string) []string {
	s.mu.Lock()
	signing := s.signing
	tagged, changes := []string{}, []any{}
	for _, key := range keys {
		found, ok := s.assets.byKey[key]
		if !ok || slices.Contains(tagged, key.publicID) {
			continue
		}
		tagged = append(tagged, key.publicID)
		before, after := found.tags, change(found.tags)
		found.tags = after
		s.assets.put(found)
		added, removed := missing(after, before), missing(before, after)
		if len(added)+len(removed) > 0 {
			changes = append(changes, append(found.reference(), eventbody.Field{Name: "added", Value: added}, eventbody.Field{Name: "removed", Value: removed}))
		}
	}
	s.mu.Unlock()
	if len(changes) == 0 {
		return tagged
	}
	const eventType = "resource_tags_changed"
	body := s.sample(eventType, cmp.Or(apiKey, signing.APIKey), eventbody.Field{Name: "resources", Value: changes})
	// The call took effect, whether its notification can be sent or not.
	_, _ = s.fire([]event{newEvent(eventType, body, ownURL)}, signing, false)
	return tagged
}

// missing are those of the tags that the others do not have.
func missing(tags, others []string) []string {
	rest := []string{}
	for _, tag := range tags {
		if !slices.Contains(others, tag) {
			rest = append(rest, tag)
		}
	}
	return rest
}

type taggedAssets struct {
	PublicIDs []string `json:"public_ids"`
}

// uploadTags is the Upload API's call: a signed form, outside the budget of the Admin API. Assets that do not exist are left out.
func (s *Simulator) uploadTags(req request) answer {
	if req.method != http.MethodPost {
		return notAllowed(http.MethodPost)
	}
	if len(req.body) > maxBodyBytes {
		return failure(http.StatusRequestEntityTooLarge, messageTooLarge)
	}
	form, ok := uploadForm(req)
	if !ok {
		return failure(http.StatusBadRequest, messageInvalid)
	}
	if refusal := s.refuseUploadCall(req, form); refusal != nil {
		return *refusal
	}
	change, ok := tagCommand(form.Get("command"), cleanTags(strings.Split(form.Get("tag"), ",")))
	if !ok {
		return failure(http.StatusBadRequest, "Invalid command "+strconv.Quote(form.Get("command")))
	}
	ids := listOf(form, "public_ids")
	if len(ids) == 0 {
		return failure(http.StatusBadRequest, "Missing required parameter - public_ids")
	}
	if len(ids) > maxTaggedAssets {
		return failure(http.StatusBadRequest, fmt.Sprintf("At most %d public_ids are allowed", maxTaggedAssets))
	}
	keys := make([]assetKey, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, assetKey{
			resourceType: req.route.asset.resourceType, deliveryType: cmp.Or(form.Get("type"), "upload"), publicID: id,
		})
	}
	return success(http.StatusOK, taggedAssets{PublicIDs: s.retag(keys, change, "", form.Get("api_key"))})
}

// uploadForm reads a form of either kind. Cloudinary's Go library does not say which kind it sends.
func uploadForm(req request) (url.Values, bool) {
	mediaType, parameters, err := mime.ParseMediaType(req.header.Get("Content-Type"))
	switch {
	case req.header.Get("Content-Type") == "" || (err == nil && mediaType == "application/x-www-form-urlencoded"):
		form, err := url.ParseQuery(string(req.body))
		return form, err == nil
	case err == nil && mediaType == "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(req.body), parameters["boundary"]).ReadForm(maxBodyBytes)
		if err != nil {
			return nil, false
		}
		return form.Value, true
	default:
		return nil, false
	}
}

// tagCommand is what a command makes of an asset's tags.
func tagCommand(command string, given []string) (func([]string) []string, bool) {
	switch command {
	case "add":
		return func(tags []string) []string { return cleanTags(slices.Concat(tags, given)) }, true
	case "remove":
		return func(tags []string) []string { return missing(tags, given) }, true
	case "replace":
		return func([]string) []string { return given }, true
	case "remove_all":
		return func([]string) []string { return []string{} }, true
	default:
		return nil, false
	}
}

// refuseUploadCall looks at cloud, key, signature and age. A Bearer token needs no signature.
func (s *Simulator) refuseUploadCall(req request, form url.Values) *answer {
	if req.route.cloud != s.options.Cloud {
		return new(unauthorized())
	}
	if s.authenticated(req.header) {
		return nil
	}
	credentials := s.options.credentials()
	i := slices.IndexFunc(credentials, func(c Credentials) bool { return same(c.APIKey, form.Get("api_key")) })
	if i < 0 {
		return new(unauthorized())
	}
	if !signedForm(form, credentials[i].APISecret) {
		return new(failure(http.StatusUnauthorized, "Invalid Signature. String to sign - '"+stringToSign(form, true)+"'."))
	}
	seconds, err := strconv.ParseInt(form.Get("timestamp"), 10, 64)
	if err != nil || time.Unix(seconds, 0).Before(s.options.Clock().Add(-uploadCallValidity)) {
		return new(failure(http.StatusBadRequest, "Stale request - the timestamp is more than 1 hour ago"))
	}
	return nil
}

// signedForm takes both of Cloudinary's algorithms, by the signature's length, and both versions of what is signed.
func signedForm(form url.Values, secret string) bool {
	given := form.Get("signature")
	algorithm := sample.SHA1
	if len(given) == 64 {
		algorithm = sample.SHA256
	}
	return same(given, sample.Digest(algorithm, []byte(stringToSign(form, true)), "", secret)) ||
		same(given, sample.Digest(algorithm, []byte(stringToSign(form, false)), "", secret))
}

// stringToSign are the parameters in their order, without those that are not signed. Version 2 writes & in a value as %26.
func stringToSign(form url.Values, version2 bool) string {
	names := map[string]bool{}
	for name := range form {
		base, _, _ := strings.Cut(name, "[")
		names[base] = true
	}
	for _, unsigned := range []string{"file", "cloud_name", "resource_type", "api_key", "signature"} {
		delete(names, unsigned)
	}
	pairs := make([]string, 0, len(names))
	for name := range names {
		value := strings.Join(listOf(form, name), ",")
		if value == "" {
			continue
		}
		if version2 {
			value = strings.ReplaceAll(value, "&", "%26")
		}
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// listOf are the values of a parameter in the three ways in which SDKs write lists: name, name[] and name[0].
func listOf(form url.Values, name string) []string {
	values := slices.Concat(form[name], form[name+"[]"])
	for i := range maxTaggedAssets + 1 {
		value, ok := form[fmt.Sprintf("%s[%d]", name, i)]
		if !ok {
			break
		}
		values = append(values, value...)
	}
	return values
}
