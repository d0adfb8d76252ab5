package sasl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
)

// jsonCodec carries the commands of a protocol whose messages are JSON objects in one frame.
type jsonCodec struct{}

func (jsonCodec) Message(c sasl.Command) ([][]byte, error) {
	text, err := json.Marshal(c)
	return [][]byte{text}, err
}

func (jsonCodec) Parse(message [][]byte) (c sasl.Command, err error) {
	if len(message) != 1 {
		return c, sasl.ErrForeign
	}
	err = json.Unmarshal(message[0], &c)
	return c, err
}

// A program with its own protocol provides a Codec. The package checks the commands that Parse
// returns, so Parse need not.
func ExampleCodec() {
	rules, err := policy.New(policy.Rules{{Name: "chat", Anonymous: true}}, policy.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer rules.Close()
	server, err := sasl.NewServer(sasl.ServerConfig{Codec: jsonCodec{}, Policy: rules, Domain: "chat", Link: sasl.Link{Address: "192.0.2.1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := sasl.NewClient(sasl.ClientConfig{Codec: jsonCodec{}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	message, err := client.Start()
	for err == nil && message != nil {
		fmt.Printf("C: %s\n", message[0])
		if message, err = server.Handle(context.Background(), message); err != nil {
			break
		}
		fmt.Printf("S: %s\n", message[0])
		message, err = client.Handle(message)
	}
	fmt.Println(client.Mechanism(), client.Done(), err)
	// Output:
	// C: {"Kind":1,"Mechanisms":null,"Data":null,"Reason":""}
	// S: {"Kind":2,"Mechanisms":["ANONYMOUS"],"Data":null,"Reason":""}
	// C: {"Kind":3,"Mechanisms":["ANONYMOUS"],"Data":"","Reason":""}
	// S: {"Kind":4,"Mechanisms":null,"Data":null,"Reason":""}
	// ANONYMOUS true <nil>
}
