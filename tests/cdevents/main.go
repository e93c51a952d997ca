// Prints an event of each type that CDEvents' own SDK for Go knows, of two versions of the
// specification: a line of JSON each, structured as a CloudEvent.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/cdevents/sdk-go/pkg/api"
	"github.com/cdevents/sdk-go/pkg/api/v03"
	"github.com/cdevents/sdk-go/pkg/api/v04"
)

func main() {
	lines := json.NewEncoder(os.Stdout)
	for _, version := range []struct {
		spec  string
		types []string
		make  func(string, string) (api.CDEvent, error)
	}{
		{v03.SpecVersion, types(v03.CDEventsTypes), v03.NewCDEvent},
		{v04.SpecVersion, types(v04.CDEventsTypes), v04.NewCDEvent},
	} {
		for _, name := range version.types {
			event, err := version.make(name, version.spec)
			if err != nil {
				log.Fatalf("%s: %v", name, err)
			}
			event.SetSource("/sdk/go")
			event.SetSubjectId("checkout")
			event.SetSubjectSource("/sdk/go/subject")
			// Contents differ from type to type, and are left as they are made: what the SDK
			// itself would wrap has to be valid by its schema.
			data, err := json.Marshal(event)
			if err != nil {
				log.Fatalf("%s: %v", name, err)
			}
			line := map[string]any{
				"specversion": "1.0", "id": event.GetId(), "source": event.GetSource(),
				"subject": event.GetSubjectId(), "type": event.GetType().String(),
				"datacontenttype": "application/json", "data": json.RawMessage(data),
			}
			if err := lines.Encode(line); err != nil {
				log.Fatal(err)
			}
		}
	}
}

// The types of all events but custom ones, which have none before they are given one.
func types[T api.CDEventReader](events []T) []string {
	all := []string{}
	for _, event := range events {
		if event.GetType().Short() != "" {
			all = append(all, event.GetType().String())
		}
	}
	return all
}
