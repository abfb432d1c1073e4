// Judge asks golang.org/x/mod, the code behind Go's checksum database, what it says of our notes,
// trees, tiles and names: a question on each line of the input, an answer on each line of the
// output.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Height is that of C2SP tlog-tiles; x/mod writes it into the names of tiles, C2SP does not.
const height = 8

type question struct {
	Ask    string
	Keys   []string
	Note   string
	Entry  string
	Index  int64
	Size   int64
	Root   string
	Old    int64
	Before string
	Proof  []string
	Folder string
}

type answer struct {
	Accepted bool     `json:"accepted"`
	Why      string   `json:"why,omitempty"`
	Said     []string `json:"said,omitempty"`
}

func hash(text string) (found tlog.Hash, err error) {
	data, err := hex.DecodeString(text)
	if err == nil && len(data) != len(found) {
		err = errors.New("a hash of another size")
	}
	copy(found[:], data)
	return found, err
}

func hashes(texts []string) (found []tlog.Hash, err error) {
	for _, text := range texts {
		one, err := hash(text)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func name(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
}

// Tiles reads a log's files as C2SP names them.
type tiles string

func (folder tiles) Height() int { return height }

func (folder tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (folder tiles) ReadTiles(asked []tlog.Tile) (found [][]byte, err error) {
	for _, tile := range asked {
		data, err := os.ReadFile(filepath.Join(string(folder), name(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// Note opens a signed note and says whose signatures it knew.
func (q question) note() (said []string, err error) {
	var known []note.Verifier
	for _, text := range q.Keys {
		key, err := note.NewVerifier(text)
		if err != nil {
			return nil, err
		}
		known = append(known, key)
	}
	opened, err := note.Open([]byte(q.Note), note.VerifierList(known...))
	if err != nil {
		return nil, err
	}
	for _, one := range opened.Sigs {
		said = append(said, one.Name)
	}
	return said, nil
}

// Record checks an inclusion proof.
func (q question) record() error {
	entry, err := hex.DecodeString(q.Entry)
	if err != nil {
		return err
	}
	root, err := hash(q.Root)
	if err != nil {
		return err
	}
	proof, err := hashes(q.Proof)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, q.Size, root, q.Index, tlog.RecordHash(entry))
}

// Tree checks a consistency proof.
func (q question) tree() error {
	before, err := hash(q.Before)
	if err != nil {
		return err
	}
	root, err := hash(q.Root)
	if err != nil {
		return err
	}
	proof, err := hashes(q.Proof)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, q.Size, root, q.Old, before)
}

// Tiles proves a record and an older tree from the log's files, which it checks against the root,
// and says the hash of the record and both proofs.
func (q question) tiles() (said []string, err error) {
	root, err := hash(q.Root)
	if err != nil {
		return nil, err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: q.Size, Hash: root}, tiles(q.Folder))
	found, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, q.Index)})
	if err != nil {
		return nil, err
	}
	record, err := tlog.ProveRecord(q.Size, q.Index, reader)
	if err != nil {
		return nil, err
	}
	tree, err := tlog.ProveTree(q.Size, q.Old, reader)
	if err != nil {
		return nil, err
	}
	// In v0.7.0 the reader checks some tiles against nothing (ReadHashes counts subtrees where it
	// means tiles), so what it found is checked once more.
	if err := tlog.CheckRecord(record, q.Size, root, q.Index, found[0]); err != nil {
		return nil, err
	}
	for _, one := range append(append(found, record...), tree...) {
		said = append(said, hex.EncodeToString(one[:]))
	}
	return said, nil
}

// Names lists the tiles that are new when a tree grows.
func (q question) names() (said []string) {
	for _, tile := range tlog.NewTiles(height, q.Old, q.Size) {
		said = append(said, name(tile))
	}
	return said
}

func (q question) judge() (said []string, err error) {
	switch q.Ask {
	case "note":
		return q.note()
	case "record":
		return nil, q.record()
	case "tree":
		return nil, q.tree()
	case "tiles":
		return q.tiles()
	case "names":
		return q.names(), nil
	}
	panic("asked for " + q.Ask)
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&asked); err != nil {
			panic(err)
		}
		said, err := asked.judge()
		given := answer{Accepted: err == nil, Said: said}
		if err != nil {
			given.Why = err.Error()
		}
		if err := output.Encode(given); err != nil {
			panic(err)
		}
	}
}
