// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const hook = "https://hooks.example.com/a"

func TestManifestsKeepTheEnvironmentInSync(t *testing.T) {
	f := newFixture(t, simulator.Options{})
	f.start()
	secret, endpoint, trigger := f.secret("cloudinary"), f.endpoint("media", hook), f.trigger("images", "media", "upload", "delete")
	trigger.Spec.Filter = rawJSON(`{"==":[{"var":"resource_type"},"image"]}`)
	trigger.Spec.PayloadTemplate = rawJSON(`{"id":"{{asset.public_id}}"}`)
	f.create(trigger, endpoint, secret) // the wrong way round: it heals by itself

	ready(f, endpoint)
	ready(f, trigger)
	f.placesBecome("delete "+hook, "upload "+hook)

	t.Log("what is changed behind the operator's back is set back")
	f.admin(http.MethodPut, "/triggers/"+f.at("upload", hook).ID, `{"new_uri":"https://elsewhere.example.com/","filter":{}}`)
	f.admin(http.MethodDelete, "/triggers/"+f.at("delete", hook).ID, "")
	f.placesBecome("delete "+hook, "upload "+hook)
	ready(f, trigger)

	t.Log("what is deleted here is deleted there, and nothing stays behind")
	f.delete(trigger, endpoint, secret)
	f.gone(trigger, endpoint, secret)
	f.placesBecome()
}
