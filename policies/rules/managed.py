"""AWS managed policies that the program may attach to its roles; none of them administers an account or a service."""

# What AWS keeps for its own services, and what the program's functions and builds take besides.
MANAGED = (
    "service-role/AmazonRDSEnhancedMonitoringRole",
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "service-role/AWSLambdaVPCAccessExecutionRole",
    "AWSBackupServiceRolePolicyForS3Backup",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
    "CloudWatchAgentServerPolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSWorkerNodeMinimalPolicy",
)


def name_of(arn: str) -> str:
    """Returns an AWS managed policy's name from its ARN; empty text if the ARN is of a policy that an account made."""
    return arn.partition(":aws:policy/")[2]
