// Karpenter with its kwok provider, which buys simulated nodes, and zones that can lose their capacity.
//
// The file ZONES_WITHOUT_CAPACITY names such zones, one a line. As with AWS's provider, Karpenter learns it when it
// tries to launch a node there: it gets an InsufficientCapacity error, and for 180 seconds doesn't try again.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator"
)

const unavailableFor = 180 * time.Second

// zonal is a provider in which some zones have no capacity.
type zonal struct {
	cloudprovider.CloudProvider
	mutex   sync.Mutex
	refused map[string]time.Time // the last refusal by zone
}

func withoutCapacity() []string {
	text, _ := os.ReadFile(os.Getenv("ZONES_WITHOUT_CAPACITY")) // no file: all zones have capacity
	return strings.Fields(string(text))
}

func (z *zonal) refuse(zones []string) {
	z.mutex.Lock()
	defer z.mutex.Unlock()
	for _, zone := range zones {
		z.refused[zone] = time.Now()
	}
}

func (z *zonal) isAvailable(offering *cloudprovider.Offering) bool {
	z.mutex.Lock()
	defer z.mutex.Unlock()
	at, known := z.refused[offering.Requirements.Get(corev1.LabelTopologyZone).Any()]
	return !known || time.Since(at) >= unavailableFor
}

// GetInstanceTypes returns copies, because the provider hands out the same pointers each time.
func (z *zonal) GetInstanceTypes(ctx context.Context, pool *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	types, err := z.CloudProvider.GetInstanceTypes(ctx, pool)
	if err != nil {
		return nil, err
	}
	copies := make([]*cloudprovider.InstanceType, 0, len(types))
	for _, instance := range types {
		offerings := make(cloudprovider.Offerings, 0, len(instance.Offerings))
		for _, offering := range instance.Offerings {
			offerings = append(offerings, &cloudprovider.Offering{
				Requirements: offering.Requirements,
				Price:        offering.Price,
				Available:    z.isAvailable(offering),
			})
		}
		copies = append(copies, &cloudprovider.InstanceType{
			Name:         instance.Name,
			Requirements: instance.Requirements,
			Offerings:    offerings,
			Capacity:     instance.Capacity,
			Overhead:     instance.Overhead,
		})
	}
	return copies, nil
}

// Create launches a node in one of the zones that the claim allows and that have capacity.
func (z *zonal) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	empty := withoutCapacity()
	if len(empty) == 0 {
		return z.CloudProvider.Create(ctx, claim)
	}
	claim = claim.DeepCopy()
	for _, requirement := range claim.Spec.Requirements {
		if requirement.Key != corev1.LabelTopologyZone || requirement.Operator != corev1.NodeSelectorOpIn {
			continue
		}
		isEmpty := func(zone string) bool { return slices.Contains(empty, zone) }
		if !slices.ContainsFunc(requirement.Values, func(zone string) bool { return !isEmpty(zone) }) {
			z.refuse(requirement.Values)
			return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("no capacity in %v", requirement.Values))
		}
	}
	// A claim that names no zone may have any.
	elsewhere := v1.NodeSelectorRequirementWithMinValues{
		Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpNotIn, Values: empty,
	}
	claim.Spec.Requirements = append(claim.Spec.Requirements, elsewhere)
	return z.CloudProvider.Create(ctx, claim)
}

func main() {
	ctx, op := operator.NewOperator()
	types, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "can't read the instance types")
		os.Exit(1)
	}
	provider := &zonal{
		CloudProvider: kwok.NewCloudProvider(ctx, op.GetClient(), types),
		refused:       map[string]time.Time{},
	}
	decorated := overlay.Decorate(provider, op.GetClient(), op.InstanceTypeStore)
	cluster := state.NewCluster(op.Clock, op.GetClient(), decorated)
	op.WithControllers(ctx, controllers.NewControllers(
		ctx, op.Manager, op.Clock, op.GetClient(), op.EventRecorder, decorated, provider, cluster, op.InstanceTypeStore,
	)...).Start(ctx)
}
