package longline

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// A vector of any file in vectors/, as its README describes them.
type vector struct {
	Name          string
	MaxFrameBytes int
	Chunks        []string
	Frames        []string
	End           map[string]any
	Message       map[string]any
	ReadOnly      bool
	JSON          string
	Expect        map[string]any
}

func load(t *testing.T, name string) []vector {
	t.Helper()
	text, err := os.ReadFile("../../vectors/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func TestFrames(t *testing.T) {
	for _, vector := range load(t, "frames") {
		t.Run(vector.Name, func(t *testing.T) {
			decoder, frames, written := NewDecoder(vector.MaxFrameBytes), []string{}, ""
			var failure error
			for _, chunk := range vector.Chunks {
				var bodies [][]byte
				bodies, failure = decoder.Push(bytesOf(t, chunk))
				for _, body := range bodies {
					frames = append(frames, hex.EncodeToString(body))
					written += hex.EncodeToString(Frame(body))
				}
			}
			if !reflect.DeepEqual(frames, vector.Frames) {
				t.Errorf("the frames are %v", frames)
			}
			if (failure != nil) != (vector.End["bye"] != nil) {
				t.Errorf("the failure is %v", failure)
			}
			if failure == nil && decoder.IsEmpty() != (vector.End["clean"] != nil) {
				t.Errorf("empty is %v", decoder.IsEmpty())
			}
			if vector.End["clean"] != nil && written != strings.Join(vector.Chunks, "") {
				t.Errorf("written is %v", written)
			}
		})
	}
}

func TestMessagesToTheGatewayAreWritten(t *testing.T) {
	for _, vector := range load(t, "client-messages") {
		if vector.Message == nil || vector.ReadOnly {
			continue
		}
		t.Run(vector.Name, func(t *testing.T) {
			message, err := ReadMessage(bytesOf(t, vector.JSON))
			if err != nil {
				t.Fatal(err)
			}
			body, err := WriteMessage(message)
			if err != nil {
				t.Fatal(err)
			}
			var written map[string]any
			if err := json.Unmarshal(body, &written); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(written, vector.Message) {
				t.Errorf("written is %s", body)
			}
		})
	}
}

func TestMessagesOfTheGatewayAreRead(t *testing.T) {
	for _, vector := range load(t, "server-messages") {
		if vector.JSON == "" {
			continue
		}
		t.Run(vector.Name, func(t *testing.T) {
			message, err := ReadMessage(bytesOf(t, vector.JSON))
			if vector.Expect["closed"] != nil {
				if err == nil {
					t.Error("it was read")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if vector.Message == nil {
				return
			}
			body, _ := WriteMessage(message)
			var read map[string]any
			_ = json.Unmarshal(body, &read)
			if !reflect.DeepEqual(withoutZeros(read), withoutZeros(vector.Message)) {
				t.Errorf("read is %s", body)
			}
		})
	}
}

// What is zero is left out when it is written, which a client never does with what the gateway says.
func withoutZeros(value any) any {
	switch value := value.(type) {
	case map[string]any:
		left := map[string]any{}
		for name, field := range value {
			if field = withoutZeros(field); field != nil {
				left[name] = field
			}
		}
		return left
	case []any:
		if len(value) == 0 {
			return nil
		}
		left := []any{}
		for _, item := range value {
			left = append(left, withoutZeros(item))
		}
		return left
	case float64:
		if value == 0 {
			return nil
		}
	case bool:
		if !value {
			return nil
		}
	}
	return value
}
